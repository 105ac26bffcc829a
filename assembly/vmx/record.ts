/**
 * What people are shown of VM exits: counts and times by reason, and a ring of records. VM entries that fail are always
 * recorded, exits where somebody asked for it.
 *
 * Counts, by basic reason: 0 exits u64 | 8 nanoseconds until the next VM entry u64 | 16 least, 24 most of them | 32 how many
 * of the exits were followed by one.
 *
 * A record: 0 reason u32 | 4 instruction length u16 | 6 broken rule of VM entry u16 | 8 qualification | 16 RIP | 24 guest-
 * physical address | 32 guest-linear address | 40 interruption information u32 | 44 IDT-vectoring information u32 |
 * 48 instructions since the entry | 56 clock | 64 instruction bytes | 80 how many u8 | 81 code size of Key u8 |
 * 82 instruction information u32
 */
import { cpu, EXIT_COUNTS, EXIT_RING } from '../cpu/state';
import { attend, Attention, clock, retired } from '../cpu/pending';
import { Key } from '../cpu/segments';
import { Field, field } from './vmcs';

const REASONS: u32 = 80;
const COUNTS_SIZE: usize = 40;
const RECORDS: u32 = 256;
const RECORD_SIZE: usize = 96;
/** In the reason of a record: VMLAUNCH or VMRESUME failed with the VM-instruction error in bits 15:0. */
const INSTRUCTION_FAILURE: u32 = 0x40000000;

@inline function counts(reason: u32): usize { return EXIT_COUNTS + min<u32>(reason & 0xffff, REASONS - 1) * COUNTS_SIZE; }

/** Counts a VM exit; `code`: host address of the guest's instruction, or 0. */
export function recordExit(reason: u32, code: u32): void {
  const c = counts(reason);
  store<u64>(c, load<u64>(c) + 1);
  cpu.exitClock = clock();
  cpu.exitReason = reason;
  if (cpu.recordExits != 0 || (reason >> 31) != 0) addRecord(reason, code);
}

/** A VM entry goes through: the time since the last exit belongs to its reason. */
export function recordEntry(): void {
  cpu.entryRetired = retired();
  if (cpu.exitClock == 0) return;
  const c = counts(cpu.exitReason);
  const ns = clock() - cpu.exitClock;
  store<u64>(c, load<u64>(c, 8) + ns, 8);
  if (load<u64>(c, 32) == 0 || ns < load<u64>(c, 16)) store<u64>(c, ns, 16);
  if (ns > load<u64>(c, 24)) store<u64>(c, ns, 24);
  store<u64>(c, load<u64>(c, 32) + 1, 32);
  cpu.exitClock = 0;
}

/** VMLAUNCH or VMRESUME failed with VM-instruction error `error`. */
export function recordFailure(error: u32): void {
  cpu.entryRetired = retired();
  addRecord(INSTRUCTION_FAILURE | error, 0);
}

function addRecord(reason: u32, code: u32): void {
  const r = EXIT_RING + <usize>(<u32>cpu.exitCount & (RECORDS - 1)) * RECORD_SIZE;
  const failed = (reason >> 30) != 0;
  store<u32>(r, reason);
  store<u16>(r, field<u16>(Field.EXIT_INSTRUCTION_LENGTH), 4);
  store<u16>(r, failed ? <u16>cpu.brokenRule : 0, 6);
  store<u64>(r, field<u64>(Field.EXIT_QUALIFICATION), 8);
  store<u64>(r, cpu.blockRip, 16);
  store<u64>(r, field<u64>(Field.GUEST_PHYSICAL_ADDRESS), 24);
  store<u64>(r, field<u64>(Field.GUEST_LINEAR_ADDRESS), 32);
  store<u32>(r, field<u32>(Field.EXIT_INTERRUPTION_INFORMATION), 40);
  store<u32>(r, field<u32>(Field.IDT_VECTORING_INFORMATION), 44);
  store<u64>(r, retired() - cpu.entryRetired, 48);
  store<u64>(r, clock(), 56);
  const bytes: u32 = code == 0 ? 0 : min<u32>(15, 0x1000 - (code & 0xfff));
  memory.copy(r + 64, code, bytes);
  store<u8>(r, <u8>bytes, 80);
  store<u8>(r, <u8>(cpu.modeKey & Key.SIZE), 81);
  store<u32>(r, field<u32>(Field.EXIT_INSTRUCTION_INFORMATION), 82);
  cpu.exitCount++;
  // Of a failure people see the fields as they are now.
  if (failed || cpu.recordExits == 2 || (cpu.recordExits != 0 && (<u32>cpu.exitCount & (RECORDS / 2 - 1)) == 0)) attend(Attention.STOP);
}
