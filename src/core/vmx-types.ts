/** What people see of VMX, as types: exits counted by reason, records of single exits, the current VMCS. */
import type { VmcsField } from '../isa/vmx/fields.ts';
import type { VmEntryRule } from '../isa/vmx/rule.ts';

/** Exits of one reason. Times are virtual nanoseconds from the exit to the next entry. */
export interface ExitCount {
  /** Linux's name. */
  reason: string;
  count: number;
  totalNs: number;
  leastNs: number;
  mostNs: number;
  averageNs: number;
  /** What one of them would cost a real processor: modelled, not measured; absent where there is nothing like it. */
  modelledCycles?: number;
}

/** A rule of VM entry that was broken, with the fields it is about. */
export interface BrokenRule extends Omit<VmEntryRule, 'fields'> {
  fields: { name: string; value: bigint }[];
}

/** One VM exit, or a VM entry that failed. */
export interface ExitRecord {
  /** Counts the records of a processor from 0. */
  number: number;
  /** Linux's name of the basic reason. */
  reason: string;
  /** The VM entry failed: it came to this exit, or VMLAUNCH and VMRESUME said so themselves. */
  failure?: string;
  rule?: BrokenRule;
  qualification: bigint;
  /** The qualification in words; may be empty. */
  meaning: string;
  /** Of the guest, before the instruction that exits. */
  rip: bigint;
  /** The instruction there, empty where its bytes are not at hand. */
  instruction: string;
  instructionLength: number;
  instructionInformation: number;
  /** Meaningful for exits that are about an address. */
  guestPhysical: bigint;
  guestLinear: bigint;
  /** The event that exited, and the one that was being delivered, in words; may be empty. */
  interruption: string;
  vectoring: string;
  /** Guest instructions since the VM entry. */
  instructions: number;
  /** What the exit and the next entry would cost a real processor, in cycles: modelled, not measured. */
  modelledCycles?: number;
  /** Virtual nanoseconds since power-on. */
  clock: number;
}

/** A field of a VMCS and what it holds. */
export interface VmcsValue extends Pick<VmcsField, 'name' | 'encoding' | 'width'> {
  value: bigint;
  /** Names of the bits that are set, where they have names. */
  meaning: string;
}

/** What there is to see of VMX. */
export interface VmxView {
  /** The processor's model, which says what exits would cost. */
  readonly model: string;
  /** Is the processor in VMX non-root operation? */
  readonly inGuest: boolean;
  /** Exits so far by reason, the most frequent first. */
  readonly counts: ExitCount[];
  /** Keep a record of every exit. The processor then returns from `run` now and then, so that `take` misses none. */
  set recording(on: boolean);
  /** Return from `run` at every exit, before the hypervisor's first instruction, and after a VM entry that fails. */
  set stopping(on: boolean);
  /** The records since the last call, oldest first; of those that nobody asked for only the latest. */
  take(): ExitRecord[];
  /** The current VMCS, field by field, with the names of bits that are set; null if there is none. */
  vmcs(): VmcsValue[] | null;
}
