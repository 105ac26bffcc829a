/**
 * What people are shown of VM exits: counts and times by reason, and a ring of records. VM entries that fail are always
 * recorded, exits where somebody asked for it.
 */
import { cpu, EXIT_COUNTS, EXIT_RING } from './state';
import { ExitRecord, lastExit, Part, setExit } from './exit';
import { attend, Attention, clock, retired } from './pending';
import { Key } from './segments';

/** Exits of one reason. Times are nanoseconds from the exit to the next VM entry, of the exits that one followed. */
@unmanaged
export class ExitCount {
  exits: u64;
  time: u64;
  least: u64;
  most: u64;
  followed: u64;
}

export const EXIT_REASONS: u32 = 80;
export const EXIT_RECORDS: u32 = 256;
/** In the reason of a record: the VM entry failed after it began; or VMLAUNCH or VMRESUME failed, with the VM-instruction error in bits 15:0. */
export const enum Failure { ENTRY = 0x80000000, INSTRUCTION = 0x40000000 }

@inline function countOf(reason: u32): ExitCount {
  return changetype<ExitCount>(EXIT_COUNTS + min<u32>(reason & 0xffff, EXIT_REASONS - 1) * offsetof<ExitCount>());
}

/** Counts lastExit; `code`: host address of the guest's instruction, or 0. */
export function recordExit(code: u32): void {
  const reason = lastExit.reason;
  countOf(reason).exits++;
  cpu.exitClock = clock();
  if (cpu.recordExits != 0 || (reason & <u32>Failure.ENTRY) != 0) addRecord(code);
}

/** A VM entry goes through: the time since the last exit belongs to its reason. */
export function recordEntry(): void {
  cpu.entryRetired = retired();
  if (cpu.exitClock == 0) return;
  const count = countOf(lastExit.reason);
  const ns = clock() - cpu.exitClock;
  count.time += ns;
  if (count.followed == 0 || ns < count.least) count.least = ns;
  if (ns > count.most) count.most = ns;
  count.followed++;
  cpu.exitClock = 0;
}

/** VMLAUNCH or VMRESUME failed with VM-instruction error `error`. */
export function recordFailure(error: u32): void {
  cpu.entryRetired = retired();
  setExit(Failure.INSTRUCTION | error, 0);
  addRecord(0);
}

/** Puts lastExit into the ring, with what people want to know beside it. */
function addRecord(code: u32): void {
  const r = changetype<ExitRecord>(EXIT_RING + <usize>(<u32>cpu.exitCount & (EXIT_RECORDS - 1)) * offsetof<ExitRecord>());
  memory.copy(changetype<usize>(r), changetype<usize>(lastExit), offsetof<ExitRecord>());
  const failed = r.reason >> 30 != 0;
  if ((r.parts & Part.LENGTH) == 0) r.length = 0;
  if ((r.parts & Part.OPERANDS) == 0) r.operands = 0;
  if ((r.parts & Part.PHYSICAL) == 0) r.guestPhysical = 0;
  if ((r.parts & Part.LINEAR) == 0) r.guestLinear = 0;
  r.rule = failed ? <u16>cpu.brokenRule : 0;
  r.rip = cpu.blockRip;
  r.instructions = retired() - cpu.entryRetired;
  r.clock = clock();
  const bytes: u32 = code == 0 ? 0 : min<u32>(15, 0x1000 - (code & 0xfff));
  memory.copy(changetype<usize>(r) + offsetof<ExitRecord>('code'), code, bytes);
  r.codeLength = <u8>bytes;
  r.codeSize = <u8>(cpu.modeKey & Key.SIZE);
  cpu.exitCount++;
  // Of a failure people see the fields as they are now.
  const full = (<u32>cpu.exitCount & (EXIT_RECORDS / 2 - 1)) == 0;
  if (failed || cpu.recordExits == 2 || (cpu.recordExits != 0 && full)) attend(Attention.STOP);
}
