/** Exit qualifications and interruption information in words (SDM Vol. 3C, "Exit Qualification"). */

const GPRS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'].concat(
  Array.from({ length: 8 }, (_, n) => `r${n + 8}`),
);
const VECTORS = '#DE #DB NMI #BP #OF #BR #UD #NM #DF 9 #TS #NP #SS #GP #PF 15 #MF #AC #MC #XM #VE #CP'.split(' ');
const TYPES = [
  'external interrupt',
  'reserved',
  'NMI',
  'hardware exception',
  'software interrupt',
  'privileged software exception',
  'software exception',
  'other event',
];
const VALID = 0x8000_0000;

/** What the interruption-information and IDT-vectoring-information fields say; empty where not valid. */
export function explainInterruption(information: number): string {
  if ((information & VALID) === 0) return '';
  const vector = information & 0xff;
  const type = (information >> 8) & 7;
  const name = type === 3 || type >= 5 ? (VECTORS[vector] ?? vector) : `vector 0x${vector.toString(16)}`;
  return `${TYPES[type]} ${name}`;
}

const flags = (q: number, names: readonly (readonly [bit: number, name: string])[]): string =>
  names
    .filter(([bit]) => ((q >> bit) & 1) !== 0)
    .map(([, name]) => name)
    .join(' ');

function eptViolation(q: number): string {
  const access = flags(q, [
    [0, 'read'],
    [1, 'write'],
    [2, 'fetch'],
  ]);
  const rights = [(q >> 3) & 1 ? 'r' : '-', (q >> 4) & 1 ? 'w' : '-', (q >> 5) & 1 ? 'x' : '-'].join('');
  const what = (q >> 7) & 1 ? ((q >> 8) & 1 ? '' : ', guest page-table entry') : ', no linear address';
  return `${access} of ${rights}${what}`;
}

function crAccess(q: number): string {
  const cr = q & 15;
  const register = GPRS[(q >> 8) & 15];
  switch ((q >> 4) & 3) {
    case 0:
      return `mov cr${cr}, ${register}`;
    case 1:
      return `mov ${register}, cr${cr}`;
    case 2:
      return 'clts';
    default:
      return `lmsw 0x${((q >>> 16) & 0xffff).toString(16)}`;
  }
}

function io(q: number): string {
  const name = `${(q >> 5) & 1 ? 'rep ' : ''}${(q >> 3) & 1 ? 'in' : 'out'}${(q >> 4) & 1 ? 's' : ''}`;
  return `${name} port 0x${((q >>> 16) & 0xffff).toString(16)}, ${(q & 7) + 1} bytes`;
}

const TASK_SOURCES = ['call', 'iret', 'jmp', 'task gate'];
const APIC_ACCESSES = ['read', 'write', 'fetch', 'event delivery'];

/** The qualification of an exit in words; its number where it has no structure, empty where it means nothing. */
export function explainQualification(reason: string, qualification: bigint): string {
  const q = Number(qualification & 0xffff_ffffn);
  switch (reason) {
    case 'EPT_VIOLATION':
      return eptViolation(q);
    case 'CR_ACCESS':
      return crAccess(q);
    case 'DR_ACCESS':
      return (q >> 4) & 1 ? `mov ${GPRS[(q >> 8) & 15]}, dr${q & 7}` : `mov dr${q & 7}, ${GPRS[(q >> 8) & 15]}`;
    case 'IO_INSTRUCTION':
      return io(q);
    case 'TASK_SWITCH':
      return `${TASK_SOURCES[(q >>> 30) & 3]} to selector 0x${(q & 0xffff).toString(16)}`;
    case 'APIC_ACCESS':
      return `${APIC_ACCESSES[(q >> 12) & 15] ?? 'physical access'} at offset 0x${(q & 0xfff).toString(16)}`;
    case 'APIC_WRITE':
      return `offset 0x${(q & 0xfff).toString(16)}`;
    case 'EXCEPTION_NMI':
    case 'INVLPG':
      return qualification === 0n ? '' : `0x${qualification.toString(16)}`;
    case 'EOI_INDUCED':
    case 'SIPI_SIGNAL':
      return `vector 0x${(q & 0xff).toString(16)}`;
    default:
      return '';
  }
}
