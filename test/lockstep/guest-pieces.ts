/**
 * VM entries of the lock-step judge, in tours: a guest runs, then the same guest with one thing changed, then the first
 * again, and all of them use the same page. What a processor keeps between them must not show.
 */

import { VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import type { Fields } from '../vmx/lab.ts';
import { type Code, Reg } from './code.ts';
import { changed, codeOf, fieldsOf, type Guest, KEPT, randomGuest } from './guests.ts';
import { ACCESSES, CALL, probeAddress, SWITCHED, setKeys } from './host-pieces.ts';
import { below, chance, ENTER, pick, type Random } from './world.ts';

const ENCODINGS = new Map(VMCS_FIELDS.map(({ name, encoding }) => [name, encoding]));
function encodingOf(name: string): number {
  const encoding = ENCODINGS.get(name);
  if (encoding === undefined) throw new Error(`there is no VMCS field ${name}`);
  return encoding;
}

/** What a guest does with RBX, and then with RDX; and what only CPL 0 may. All of it ends with VMCALL. */
const CALL_SECOND = 'ff d2';
const SECOND = ['8b 0a', '89 0a', CALL_SECOND, '90'] as const;
/** To be done with the guest's own CR3 only, or its VPID and PCID would mean another address space. */
const MOV_CR3 = '0f 22 d8';
const PRIVILEGED = ['0f 22 c0', '0f 22 e0', MOV_CR3, '0f 01 3b', '0f 06', '0f 23 f8', '0f 01 ca', '0f 01 cb'] as const;
const PLAIN = ACCESSES.flatMap((first) => SECOND.map((second) => `${first} ${second} 0f 01 c1`));
export const GUEST_STUBS = [
  ...PLAIN,
  ...SWITCHED.map((bytes) => `${bytes} 0f 01 c1`),
  ...PRIVILEGED.flatMap((bytes) => ['8b 03', '89 0b'].map((use) => `${use} ${bytes} ${use} 0f 01 c1`)),
];
/** Offset of the guests' stubs in the page of user code. */
export const GUEST_STUBS_AT = 0x200;
export const GUEST_STUB_SIZE = 16;

/** What a guest does, and with which addresses. */
interface Use {
  stub: number;
  rbx: number;
  rdx: number;
}
// What is called is the begin of a frame; what is stored to is not.
const calls = (stub: number, call: string): boolean => GUEST_STUBS[stub].includes(call);
const randomStub = (next: Random): number => below(next, chance(next, 85) ? PLAIN.length : GUEST_STUBS.length);
function randomUse(next: Random): Use {
  const stub = randomStub(next);
  return { stub, rbx: probeAddress(next, calls(stub, CALL)), rdx: probeAddress(next, calls(stub, CALL_SECOND)) };
}
/** Something else, mostly the same, with the same addresses. */
function likeUse(use: Use, next: Random): Use {
  const stub = chance(next, 75) ? use.stub : randomStub(next);
  const fits = [CALL, CALL_SECOND].every((call) => calls(stub, call) === calls(use.stub, call));
  return fits ? { ...use, stub } : use;
}

/** Fields of which another value makes another address space, for which software would owe an invalidation. */
const TRANSLATING = /^GUEST_(CR3|PDPTE.)$/;

/** Writes the fields of `guest` which a VMCS with those of `before` does not have, and enters. */
function enter(code: Code, next: Random, guest: Guest, { stub, rbx, rdx }: Use, before: Fields): Fields {
  const fields = fieldsOf(guest);
  const written = Object.entries(fields).filter(([name, value]) => !(KEPT.has(name) && before[name] === value));
  for (const [name, value] of written) code.vmwrite(encodingOf(name), value);
  code.vmwrite(encodingOf('GUEST_RIP'), codeOf(guest) + GUEST_STUBS_AT + GUEST_STUB_SIZE * stub);
  // A field that an entry would rather not have; it gets the right value before the next entry.
  const picked = pick(next, Object.keys(fields));
  const bad = chance(next, 2) && !TRANSLATING.test(picked) ? picked : undefined;
  if (bad) code.vmwrite(encodingOf(bad), next());
  code.mov(Reg.RBX, rbx).mov(Reg.RDX, rdx).mov(Reg.RCX, below(next, 0x10000));
  if (GUEST_STUBS[stub].includes(MOV_CR3)) code.mov(Reg.RAX, fields.GUEST_CR3);
  else {
    code.mov(Reg.RAX, pick(next, [fields.GUEST_CR0, fields.GUEST_CR4, fields.GUEST_CR3]));
    if (chance(next, 50)) code.hex('48 35').imm32(pick(next, [0x10000, 0x200000, 0x100000])); // xor rax, bit
  }
  code.call(ENTER);
  return bad ? {} : fields;
}

export const VMCS_REGIONS = [0x48000, 0x49000] as const;

/** A guest, and what it becomes and was again. */
export function guestPiece(code: Code, next: Random): void {
  const guest = randomGuest(next);
  const use = randomUse(next);
  // Where the guest looks there is a breakpoint, if DR7 wants one.
  if (chance(next, 60)) code.mov(Reg.RAX, use.rbx & ~3).hex('0f 23 c0'); // mov dr0, rax
  let before: Fields = {};
  const visit = (visited: Guest) => {
    if (chance(next, 8)) {
      code.mov(Reg.RAX, pick(next, VMCS_REGIONS)).hex('50 0f c7 34 24 58'); // vmptrld
      before = {};
    }
    if (chance(next, 12)) setKeys(code, next);
    before = enter(code, next, visited, likeUse(use, next), before);
  };
  visit(guest);
  for (let n = below(next, 4); n > 0; n--) {
    visit(changed(guest, next));
    visit(guest);
  }
}

/** What the host reads after an exit. What else the exit wrote lies in the VMCS, hence in the memory that is compared. */
const READ = [
  'EXIT_REASON',
  'EXIT_QUALIFICATION',
  'EXIT_INTERRUPTION_INFORMATION',
  'EXIT_INTERRUPTION_ERROR_CODE',
  'GUEST_PHYSICAL_ADDRESS',
  'GUEST_RIP',
];
/** What the host does after an exit: HOST_RSP is where the entry's caller left its return address. */
export function exitHandler(code: Code): Code {
  code.fold();
  for (const name of READ) code.vmread(encodingOf(name));
  return code.hex('c3');
}
/** VM entry by whichever instruction is the right one; it returns where both fail. */
export function entryCode(code: Code): Code {
  return code.hex('0f 01 c3 0f 01 c2').vmread(encodingOf('VM_INSTRUCTION_ERROR')).hex('c3');
}
