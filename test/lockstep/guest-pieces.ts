/**
 * VM entries of the lock-step judge: guests in 64-bit mode, compatibility mode and without paging, whose fields change
 * from one entry to the next while their VPIDs, EPT pointers and PCIDs return. A VPID and a PCID always mean the same
 * address space, so that no invalidation is owed.
 */

import { VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { Sel } from '../exec/lab.ts';
import { controls, Secondary } from '../vmx/controls.ts';
import { type Code, Reg } from './code.ts';
import { ACCESSES, probeAddress, SWITCHED } from './host-pieces.ts';
import {
  below,
  chance,
  EPTS,
  eptPointer,
  FRAMES,
  frame,
  PAGES,
  PROBE,
  pick,
  type Random,
  ROOTS,
  rootOf,
  USER_CODE_AT,
  USER_CODE_PAGE,
  USER_STACK_AT,
  USER_STACK_PAGE,
} from './world.ts';

const ENCODINGS = new Map(VMCS_FIELDS.map(({ name, encoding }) => [name, encoding]));
function encodingOf(name: string): number {
  const encoding = ENCODINGS.get(name);
  if (encoding === undefined) throw new Error(`there is no VMCS field ${name}`);
  return encoding;
}

/** What a guest does with RBX, and then with RDX; and what only CPL 0 may. All of it ends with VMCALL. */
const SECOND = ['8b 0a', '89 0a', 'ff d2', '90'] as const;
const PRIVILEGED = [
  '0f 22 c0',
  '0f 22 e0',
  '0f 22 d8',
  '0f 01 3b',
  '0f 06',
  '0f 23 f8',
  '0f 01 ca',
  '0f 01 cb',
] as const;
export const GUEST_STUBS = [
  ...ACCESSES.flatMap((first) => SECOND.map((second) => `${first} ${second} 0f 01 c1`)),
  ...SWITCHED.map((bytes) => `${bytes} 0f 01 c1`),
  ...PRIVILEGED.flatMap((bytes) => ['8b 03', '89 0b'].map((use) => `${use} ${bytes} ${use} 0f 01 c1`)),
];
/** Offset of the guests' stubs in the page of user code. */
export const GUEST_STUBS_AT = 0x200;
export const GUEST_STUB_SIZE = 16;

const VMX_ALWAYS = { CR0: 0x21, CR4: 0x2000 };
const ENTRY = { MUST: 0x11fb, LOAD_DEBUG: 4, IA32E: 0x200, LOAD_EFER: 0x8000 };
const CR0_RANDOM = [0x10000, 0x40000, 8, 4, 2];
const CR4_RANDOM = [4, 0x80, 0x200, 0x800, 0x10000, 0x40000, 0x100000, 0x200000, 0x400000, 0x1000000];

const some = (next: Random, bits: readonly number[]): number =>
  bits.reduce((sum, bit) => (chance(next, 50) ? sum | bit : sum), 0);

type Mode = 'long' | 'user' | 'compat' | 'unpaged';

/** The fields that make a guest of `mode`, and where it sees code, stack and what it probes. */
function guestOf(
  next: Random,
  mode: Mode,
  root: number,
): { fields: Record<string, number>; address: (call: string) => number } {
  const ring3 = mode === 'user' || mode === 'compat';
  const paged = mode !== 'unpaged';
  const stub = below(next, GUEST_STUBS.length);
  const linear = ring3 ? PROBE + 0x1000 * USER_CODE_PAGE : USER_CODE_AT;
  const stack = ring3 ? PROBE + 0x1000 * USER_STACK_PAGE : USER_STACK_AT;
  const long = mode === 'long' || mode === 'user';
  const pcide = paged && (root !== 0 || chance(next, 50));
  const fields: Record<string, number> = {
    GUEST_CR0: (paged ? 0x8000_0000 : 0) + (VMX_ALWAYS.CR0 | some(next, CR0_RANDOM)),
    GUEST_CR4: VMX_ALWAYS.CR4 | some(next, CR4_RANDOM) | (paged ? 0x20 : 0) | (pcide ? 0x20000 : 0),
    GUEST_CR3: rootOf(root) | (pcide ? root : 0),
    GUEST_EFER: (paged ? 0x501 : 1) | (chance(next, 50) ? 0x800 : 0),
    GUEST_RIP: linear + GUEST_STUBS_AT + GUEST_STUB_SIZE * stub,
    GUEST_RSP: stack + 0x800,
    GUEST_RFLAGS: 2 | (chance(next, 30) ? 0x40000 : 0),
    GUEST_CS_SELECTOR: ring3 ? Sel.USER_CODE64 : Sel.CODE64,
    GUEST_CS_ACCESS_RIGHTS: (long ? 0xa09b : 0xc09b) | (ring3 ? 0x60 : 0),
    GUEST_SS_SELECTOR: ring3 ? Sel.USER_DATA : Sel.DATA,
    GUEST_SS_ACCESS_RIGHTS: 0xc093 | (ring3 ? 0x60 : 0),
    ENTRY_CONTROLS: ENTRY.MUST | ENTRY.LOAD_EFER | (paged ? ENTRY.IA32E : 0) | ENTRY.LOAD_DEBUG,
    GUEST_DR7: chance(next, 60) ? 0x400 : 0x402 | (pick(next, [1, 3]) << 16) | (3 << 18),
    GUEST_INTERRUPTIBILITY_STATE: 0,
    GUEST_PENDING_DEBUG_EXCEPTIONS: 0,
  };
  // What is called is the begin of a frame; what is stored to is not.
  const address = (call: string) => {
    const isCall = GUEST_STUBS[stub].includes(call);
    const address = probeAddress(next, isCall);
    return paged || address < PROBE + 0x1000 * PAGES ? address : frame(below(next, FRAMES)) + (address & 0xfff);
  };
  return { fields, address };
}

/** VMWRITEs of a guest's fields, then an entry; its exit goes to the exit handler. */
export function guestPiece(code: Code, next: Random): void {
  if (chance(next, 15)) {
    // Another VMCS becomes current.
    code.mov(Reg.RAX, pick(next, VMCS_REGIONS)).hex('50 0f c7 34 24 58');
  }
  const mode = pick(next, ['long', 'long', 'user', 'compat', 'unpaged'] as const);
  const anyGuest = [below(next, 4), below(next, EPTS + 1) - 1, below(next, ROOTS)] as const;
  const [vpid, wantedEpt, root] = chance(next, 85) ? pick(next, next.guests) : anyGuest;
  const ept = mode === 'unpaged' ? Math.max(0, wantedEpt) : wantedEpt;
  const secondary = (ept >= 0 ? Secondary.EPT | Secondary.UNRESTRICTED : 0) | (vpid > 0 ? Secondary.VPID : 0);
  const { PRIMARY_CONTROLS, SECONDARY_CONTROLS } = controls({ secondary: secondary || 8 });
  const { fields, address } = guestOf(next, mode, root);
  const all: Record<string, number | bigint> = {
    ...fields,
    PRIMARY_CONTROLS,
    SECONDARY_CONTROLS,
    VPID: vpid,
    EPTP: eptPointer(Math.max(0, ept), ept === 1),
    EXCEPTION_BITMAP: 0xffff_ffff,
  };
  for (const [name, value] of Object.entries(all)) code.vmwrite(encodingOf(name), value);
  // A field that an entry would rather not have; the next entry writes the right value again.
  if (chance(next, 4)) code.vmwrite(encodingOf(pick(next, Object.keys(fields))), next());
  code.mov(Reg.RBX, address('ff d3')).mov(Reg.RDX, address('ff d2')).mov(Reg.RCX, below(next, 0x10000));
  code.mov(Reg.RAX, pick(next, [fields.GUEST_CR0 ^ 0x10000, fields.GUEST_CR4 ^ 0x200000, fields.GUEST_CR3]));
  code.hex('0f 01 c3 0f 01 c2').vmread(encodingOf('VM_INSTRUCTION_ERROR'));
}

export const VMCS_REGIONS = [0x48000, 0x49000] as const;

/** What the host reads after an exit. */
const READ = [
  'EXIT_REASON',
  'EXIT_QUALIFICATION',
  'EXIT_INTERRUPTION_INFORMATION',
  'EXIT_INTERRUPTION_ERROR_CODE',
].concat([
  'GUEST_PHYSICAL_ADDRESS',
  'GUEST_LINEAR_ADDRESS',
  'GUEST_RIP',
  'GUEST_RFLAGS',
  'GUEST_PENDING_DEBUG_EXCEPTIONS',
]);
export function exitHandler(code: Code): Code {
  code.fold();
  for (const name of READ) code.vmread(encodingOf(name));
  return code;
}
