/**
 * The VMX guests of the random streams: a host that goes over whatever its guest exits for, and a VMCS with random
 * controls for a guest in a random mode.
 */
import { CODE, HANDLER, type Lab, Sel, STACK0, TSS } from '../../exec/lab.ts';
import {
  BITMAPS,
  enterVmx,
  type Fields,
  GUEST_CODE,
  GUEST_STACK,
  HOST_CODE,
  VMLAUNCH,
  type VmxLab,
} from '../../vmx/lab.ts';
import { DIRECTORY_32, enter, IDT_32, POINTERS, ROOT, TSS_32 } from './modes.ts';

/** Extended page tables: the first 4 GiB one to one, in 2-MByte pages but for the first 2 MiB. */
const EPT = 0x12_0000;
const VIRTUAL_APIC = 0x4_8000;
const APIC_ACCESS = 0x6_4000;

/**
 * push rax, rcx, rdx; the exit reason: where bit 31 is set, on with the host's own stream. Length of the instruction, at
 * least 1, is added to the guest's RIP; interruptibility, activity and pending debug exceptions become 0; VMRESUME, and the
 * host's own stream where that fails.
 */
const HOST = [
  '50 51 52',
  'ba 02 44 00 00 0f 78 d1 0f ba e1 1f 72 3e',
  'ba 0c 44 00 00 0f 78 d1 83 e1 0f 75 03 ff c1 90',
  'ba 1e 68 00 00 0f 78 d0 48 01 c8 0f 79 d0',
  '31 c0 ba 24 48 00 00 0f 79 d0 ba 26 48 00 00 0f 79 d0 ba 22 68 00 00 0f 79 d0',
  '5a 59 58 0f 01 c3',
].join(' ');

const GUESTS = ['64-bit', 'user 64-bit', 'compatibility', 'PAE', '32-bit', 'real-address', 'virtual-8086'] as const;
type Guest = (typeof GUESTS)[number];

const segment = (names: readonly string[], selector: number, base: number, limit: number, rights: number): Fields =>
  Object.fromEntries(
    names.flatMap((name) => [
      [`GUEST_${name}_SELECTOR`, selector],
      [`GUEST_${name}_BASE`, base],
      [`GUEST_${name}_LIMIT`, limit],
      [`GUEST_${name}_ACCESS_RIGHTS`, rights],
    ]),
  );
const DATA = ['ES', 'SS', 'DS', 'FS', 'GS'] as const;
const flat = (code: number, rights: number, data: number, dataRights: number): Fields => ({
  ...segment(DATA, data, 0, 0xffff_ffff, dataRights),
  ...segment(['CS'], code, 0, 0xffff_ffff, rights),
});

const LONG: Fields = { GUEST_CR0: 0x8000_0031, GUEST_CR3: ROOT, GUEST_CR4: 0x2620, GUEST_EFER: 0x501 };
const LEGACY: Fields = {
  GUEST_CR0: 0x8000_0031,
  GUEST_CR3: DIRECTORY_32,
  GUEST_CR4: 0x2610,
  GUEST_EFER: 0,
  GUEST_IDTR_BASE: IDT_32,
  GUEST_IDTR_LIMIT: 0x7ff,
  GUEST_TR_BASE: TSS_32,
};
const SIXTEEN: Fields = { GUEST_RIP: 0, GUEST_RSP: 0x7000 };

/** The state of a guest that starts at GUEST_CODE. */
function stateOf(guest: Guest, lab: Lab): Fields {
  const pointers = [0, 1, 2, 3].map((n) => [`GUEST_PDPTE${n}`, lab.view().getBigUint64(POINTERS + 8 * n, true)]);
  switch (guest) {
    case '64-bit':
      return { ...LONG, ...flat(Sel.CODE64, 0xa09b, Sel.DATA, 0xc093) };
    case 'user 64-bit':
      return { ...LONG, ...flat(Sel.USER_CODE64, 0xa0fb, Sel.USER_DATA, 0xc0f3) };
    case 'compatibility':
      return { ...LONG, ...flat(Sel.CODE32, 0xc09b, Sel.DATA, 0xc093) };
    case 'PAE':
      return {
        ...LEGACY,
        ...flat(Sel.CODE32, 0xc09b, Sel.DATA, 0xc093),
        ...Object.fromEntries(pointers),
        GUEST_CR3: POINTERS,
        GUEST_CR4: 0x2620,
      };
    case '32-bit':
      return { ...LEGACY, ...flat(Sel.CODE32, 0xc09b, Sel.DATA, 0xc093) };
    case 'real-address':
      return {
        ...LEGACY,
        ...SIXTEEN,
        ...segment(DATA, 0, 0, 0xffff, 0x93),
        ...segment(['CS'], GUEST_CODE >> 4, GUEST_CODE, 0xffff, 0x9b),
        GUEST_CR0: 0x30,
        GUEST_IDTR_BASE: 0,
      };
    case 'virtual-8086':
      return {
        ...LEGACY,
        ...SIXTEEN,
        ...segment(DATA, 0x6000, 0x60000, 0xffff, 0xf3),
        ...segment(['CS'], GUEST_CODE >> 4, GUEST_CODE, 0xffff, 0xf3),
      };
    default:
      throw guest satisfies never;
  }
}

function putEpt(lab: Lab): void {
  lab.put64(EPT, BigInt(EPT + 0x1000) | 7n);
  for (let gib = 0; gib < 4; gib++) {
    lab.put64(EPT + 0x1000 + 8 * gib, BigInt(EPT + 0x2000 + 0x1000 * gib) | 7n);
    for (let n = 0; n < 512; n++) {
      lab.put64(EPT + 0x2000 + 0x1000 * gib + 8 * n, (BigInt(512 * gib + n) << 21n) | 0xb7n);
    }
  }
  lab.put64(EPT + 0x2000, BigInt(EPT + 0x6000) | 7n);
  for (let n = 0; n < 512; n++) lab.put64(EPT + 0x6000 + 8 * n, BigInt(n << 12) | 0x37n);
}

/** Bits of `all`, each with a chance of one in `of`. */
const some = (all: readonly number[], of: number, next: () => number): number =>
  all.reduce((sum, bit) => (next() % of === 0 ? (sum | bit) >>> 0 : sum), 0);

function controlsOf(guest: Guest, next: () => number): Fields {
  const usesEpt = guest === 'real-address' || next() % 2 === 0;
  let secondary = some([4, 8, 0x20, 0x40, 0x400, 0x800, 0x1000, 0x10_0000], 3, next);
  if (usesEpt) secondary |= 2 | (guest === 'real-address' ? 0x80 : some([0x80, 0x40_0000], 3, next));
  let primary =
    0x8400_6172 | some([4, 8, 0x80, 0x200, 0x800, 0x1000, 0x80_0000, 0x100_0000, 0x2000_0000, 0x4000_0000], 6, next);
  primary |= some([0x200_0000, 0x1000_0000], 2, next);
  if (next() % 8 === 0) primary |= 0x800_0000;
  if (next() % 2 === 0) {
    primary |= 0x20_0000;
    secondary |= usesEpt ? some([1, 0x100], 2, next) : 0;
  }
  const isLong = ['64-bit', 'user 64-bit', 'compatibility'].includes(guest);
  return {
    PIN_BASED_CONTROLS: 0x16 | some([1, 8, 0x40], 2, next),
    PRIMARY_CONTROLS: primary >>> 0,
    SECONDARY_CONTROLS: secondary,
    ENTRY_CONTROLS: 0x91ff | (isLong ? 0x200 : 0),
    EXIT_CONTROLS: 0x36dff | 0x200 | 0x30_0000,
    EXCEPTION_BITMAP: next() % 2 === 0 ? 0 : next(),
    EPTP: EPT | 0x1e | (next() & 0x40),
    VPID: 1,
    VMX_PREEMPTION_TIMER_VALUE: 20 + (next() % 200),
    IO_BITMAP_A_ADDRESS: BITMAPS,
    IO_BITMAP_B_ADDRESS: BITMAPS + 0x1000,
    MSR_BITMAPS_ADDRESS: BITMAPS + 0x2000,
    VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC,
    APIC_ACCESS_ADDRESS: APIC_ACCESS,
    CR0_GUEST_HOST_MASK: next() % 2 === 0 ? 0 : 0xe,
    CR4_GUEST_HOST_MASK: 0x2000,
    PLE_GAP: 100,
    PLE_WINDOW: 20,
  };
}

/** A host in 64-bit mode, about to enter a guest. The guest's stream is at GUEST_CODE, the host's own at CODE. */
export function enterHost(lab: Lab, next: () => number): VmxLab {
  enter(lab, '64-bit', () => 1);
  const vmx = enterVmx(lab, true);
  putEpt(lab);
  for (const page of [0, 1, 2]) {
    const word = [0n, 0n, BigInt(next()), 0xffff_ffff_ffff_ffffn][next() % 4];
    for (let at = 0; at < 0x1000; at += 8) lab.put64(BITMAPS + 0x1000 * page + at, word);
  }
  const guest = GUESTS[next() % GUESTS.length];
  const tf = next() % 16 === 0 ? 0x100 : 0;
  vmx.write({
    GUEST_RIP: GUEST_CODE,
    GUEST_RSP: GUEST_STACK,
    GUEST_TR_SELECTOR: Sel.TSS,
    GUEST_TR_BASE: TSS,
    ...controlsOf(guest, next),
    ...stateOf(guest, lab),
    GUEST_RFLAGS: 2 | (next() & 0x200) | tf | (guest === 'virtual-8086' ? 0x2_0000 | (next() & 0x3000) : 0),
  });
  // JMP to the host's own stream behind what it does for each exit.
  const jump = (at: number, to: number): string =>
    `e9 ${[0, 8, 16, 24].map((n) => (((to - at - 5) >> n) & 0xff).toString(16).padStart(2, '0')).join(' ')}`;
  lab.code(HOST_CODE, HOST);
  const end = HOST_CODE + HOST.split(' ').length;
  lab.code(end, jump(end, CODE));
  lab.code(HANDLER - 0x20, `${VMLAUNCH} ${jump(HANDLER - 0x1d, CODE)}`);
  lab.set({ rip: HANDLER - 0x20, rsp: STACK0 });
  return vmx;
}
