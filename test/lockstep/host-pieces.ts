/**
 * What the program of the lock-step judge does in VMX root operation, or without VMX: it changes what translation,
 * protection and the availability of instructions depend on, and uses them. Tables are changed only with the
 * invalidation that the manual asks for, so that a processor which caches may never differ from one which does not.
 */
import { Sel } from '../exec/lab.ts';
import { type Code, Reg } from './code.ts';
import {
  below,
  chance,
  EPTS,
  eptEntryOf,
  FRAMES,
  frame,
  GLOBAL_PAGES,
  IPI_VECTOR,
  PAGES,
  PROBE,
  pick,
  pteOf,
  type Random,
  ROOTS,
  randomEptEntry,
  randomPte,
  rootOf,
  USER_CODE_PAGE,
  USER_STACK_PAGE,
} from './world.ts';

export const EFER = 0xc0000080;
const PKRS = 0x6e1;
const SELF_IPI = 0x83f;

export const CR0 = { MP: 2, EM: 4, TS: 8, WP: 0x10000, AM: 0x40000 };
export const CR4 = {
  TSD: 4,
  DE: 8,
  PGE: 0x80,
  OSFXSR: 0x200,
  UMIP: 0x800,
  FSGSBASE: 0x10000,
  PCIDE: 0x20000,
  OSXSAVE: 0x40000,
  SMEP: 0x100000,
  SMAP: 0x200000,
  PKE: 0x400000,
  PKS: 0x1000000,
};

/** Instructions that RFLAGS, CR0, CR4 and XCR0 switch on and off, the same bytes in 64-bit and compatibility mode. */
export const SWITCHED = [
  '0f 28 c0',
  'c5 f8 28 c0',
  'd9 d0',
  '0f 77',
  '0f 01 d0',
  '0f 31 31 c0',
  '0f 01 43 10',
] as const;
/** Accesses to what RBX points at, likewise. */
export const ACCESSES = ['8b 03', '8b 43 fe', '89 0b', 'f0 01 4b 10', 'ff d3', '0f 10 03', '0f b6 03'] as const;
export const CALL = 'ff d3';

/** Where a user stub of `bytes` lies in the page of user code; the judge puts it there. */
export const USER_STUBS = [...ACCESSES, ...SWITCHED].map((bytes) => `${bytes} cd 80`);
export const STUB_SIZE = 16;

/** A linear address in the probe pages, now and then by the large page that shows the frames once more. */
export function probeAddress(next: Random, isCall: boolean): number {
  const offset = isCall ? 0 : 8 + 8 * (chance(next, 80) ? below(next, 3) : below(next, 0x1fe));
  if (chance(next, 10)) return 0x600000 + frame(below(next, FRAMES)) + offset;
  const page = chance(next, 80) ? pick(next, next.pages) : below(next, USER_CODE_PAGE);
  return PROBE + 0x1000 * page + offset;
}

/** An access of root mode, or an instruction that may be switched off. */
export function probe(code: Code, next: Random): void {
  if (chance(next, 20)) {
    code.mov(Reg.RBX, probeAddress(next, false)).hex(pick(next, SWITCHED)).fold();
    return;
  }
  const bytes = pick(next, ACCESSES);
  access(code, next, bytes, probeAddress(next, bytes === CALL));
}
export function access(code: Code, next: Random, bytes: string, address: number): void {
  code.mov(Reg.RBX, address).mov(Reg.RCX, below(next, 0x10000)).hex(bytes).fold();
}

function toggle(code: Code, register: 0 | 4, bits: number): void {
  const modrm = register === 0 ? 'c0' : 'e0';
  code.hex(`0f 20 ${modrm} 48 35`);
  code.imm32(bits).hex(`0f 22 ${modrm}`);
}

/** invpcid rcx, [rsp]; invept; invvpid: by the last byte of the opcode, with a descriptor on the stack. */
function invalidate(code: Code, opcode: 80 | 81 | 82, type: number, low: number | bigint, high: number | bigint): void {
  code.mov(Reg.RAX, high).hex('50').mov(Reg.RAX, low).hex('50').mov(Reg.RCX, type);
  code.hex(`66 0f 38 ${opcode} 0c 24 48 83 c4 10`);
}

/** After a change of page tables: nothing is kept, for no PCID and no VPID. */
function forgetTranslations(code: Code, vmx: boolean): void {
  invalidate(code, 82, 2, 0, 0);
  if (vmx) invalidate(code, 81, 2, 0, 0);
}

function store64(code: Code, at: number, value: bigint): void {
  code.mov(Reg.RAX, value).hex('48 a3');
  for (let n = 0; n < 8; n++) code.bytes.push((at / 2 ** (8 * n)) & (n < 4 ? 0xff : 0));
}

/** Goes to CPL 3 and does one thing there; the handler of whatever comes of it goes on. */
function visitUser(code: Code, next: Random): void {
  const stub = below(next, USER_STUBS.length);
  const cs = chance(next, 50) ? Sel.USER_CODE64 : Sel.USER_CODE32;
  const flags = 2 | (chance(next, 50) ? 0x40000 : 0) | (chance(next, 30) ? 0x200 : 0) | (chance(next, 10) ? 0x100 : 0);
  const frameOf = [
    Sel.USER_DATA,
    PROBE + USER_STACK_PAGE * 0x1000 + 0x800,
    flags,
    cs,
    PROBE + USER_CODE_PAGE * 0x1000 + stub * STUB_SIZE,
  ];
  for (const value of frameOf) code.mov(Reg.RAX, value).hex('50');
  const isCall = USER_STUBS[stub].startsWith(CALL);
  code.mov(Reg.RBX, probeAddress(next, isCall)).mov(Reg.RCX, below(next, 0x10000)).hex('48 cf');
}

/** A new value of PKRU or IA32_PKRS. */
export function setKeys(code: Code, next: Random): void {
  const value = next() & ~3 & 0xff;
  if (chance(next, 50)) code.wrmsr(PKRS, value);
  else code.mov(Reg.RAX, value).hex('31 c9 31 d2 0f 01 ef'); // wrpkru
}

type Maker = (code: Code, next: Random, vmx: boolean) => void;

const MAKERS: readonly Maker[] = [
  (code, next) => toggle(code, 0, pick(next, [CR0.WP, CR0.WP, CR0.AM, CR0.TS, CR0.EM, CR0.MP | CR0.TS])),
  // PCID 0 would then be of more than one address space: with VMX, whose exits load PCIDE, it stays on.
  (code, next, vmx) =>
    toggle(
      code,
      4,
      pick(
        next,
        Object.values(CR4).filter((bit) => !vmx || bit !== CR4.PCIDE),
      ),
    ),
  (code, next) => toggle(code, 4, pick(next, [CR4.SMEP, CR4.SMAP, CR4.PKE, CR4.PKS, CR4.PGE])),
  (code) => code.mov(Reg.RCX, EFER).hex('0f 32 35 00 08 00 00 0f 30'),
  (code, next) => {
    const root = below(next, ROOTS);
    const keep = chance(next, 60) ? 1n << 63n : 0n;
    code.mov(Reg.RAX, BigInt(rootOf(root) | root) | keep).hex('0f 22 d8');
  },
  (code, next) => code.hex(pick(next, ['0f 01 ca', '0f 01 cb'])), // clac, stac
  setKeys,
  setKeys,
  (code, next) => code.mov(Reg.RBX, probeAddress(next, true)).hex('0f 01 3b'), // invlpg
  (code, next) => invalidate(code, 82, below(next, 4), below(next, ROOTS), probeAddress(next, true)),
  (code, next, vmx) => {
    const page = GLOBAL_PAGES + below(next, PAGES - GLOBAL_PAGES);
    if (page === USER_CODE_PAGE || page === USER_STACK_PAGE) return;
    store64(code, pteOf(below(next, ROOTS), page), randomPte(next, false));
    forgetTranslations(code, vmx);
  },
  (code, next) => {
    code.mov(Reg.RAX, probeAddress(next, false) & ~7).hex('0f 23 c0');
    code.mov(Reg.RAX, chance(next, 50) ? 0x400 : 0x402 | (pick(next, [1, 3]) << 16) | (pick(next, [0, 1, 3]) << 18));
    code.hex('0f 23 f8');
  },
  (code) => code.hex('0f 06'), // clts
  (code, next) => code.mov(Reg.RAX, pick(next, [1, 3, 7])).hex('31 c9 31 d2 0f 01 d1'), // xsetbv
  (code, next) => code.wrmsr(SELF_IPI, IPI_VECTOR).hex(pick(next, ['fa', 'fb', '90'])),
  (code, next) => code.hex(pick(next, ['fa', 'fb'])), // cli, sti
  (code, next) => code.mov(Reg.RAX, pick(next, [0, 8, 10])).hex('44 0f 22 c0'), // mov cr8, rax
  // A new number for mov eax, number in a frame, by whichever of its pages may be written.
  (code, next) =>
    code
      .mov(Reg.RBX, probeAddress(next, true) + 1)
      .mov(Reg.RCX, below(next, 0x10000))
      .hex('89 0b'),
  visitUser,
  visitUser,
  (code, next) =>
    code
      .hex('9c')
      .hex('48 81 0c 24')
      .hex(pick(next, ['00 01 00 00', '00 00 04 00']))
      .hex('9d'), // TF, AC
];

const VMX_MAKERS: readonly Maker[] = [
  (code, next) => {
    const at = frame(below(next, FRAMES));
    store64(code, eptEntryOf(below(next, EPTS), at), randomEptEntry(next, at));
    invalidate(code, 80, 2, 0, 0);
  },
  (code, next) => invalidate(code, 81, below(next, 4), 1 + below(next, 3), probeAddress(next, true)),
];

/** One piece: a few changes and uses in one block of code. */
export function hostPiece(code: Code, next: Random, vmx: boolean): void {
  const makers = vmx ? [...MAKERS, ...VMX_MAKERS] : MAKERS;
  for (let n = below(next, 3); n >= 0; n--) {
    pick(next, makers)(code, next, vmx);
    for (let k = below(next, 3); k > 0; k--) probe(code, next);
  }
}
