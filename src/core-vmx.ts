/**
 * What people see of VMX: exits counted by reason, records of single exits, the current VMCS by the manual's names. Read
 * from the state block; the layouts are those of assembly/vmx/record.ts and src/isa/vmx/fields.ts.
 */
import type { StateBlock } from './core-state.ts';
import { disassemble } from './isa/disasm.ts';
import { explainField } from './isa/vmx/control-bits.ts';
import { offsetOf, VMCS_FIELDS, type VmcsField } from './isa/vmx/fields.ts';
import { explainInterruption, explainQualification } from './isa/vmx/qualification.ts';
import { instructionErrorText, reasonName } from './isa/vmx/reasons.ts';
import { RULES, type VmEntryRule } from './isa/vmx/rules.ts';
import { LAYOUT } from './layout.gen.ts';

const REASONS = 80;
const COUNTS_BYTES = 40;
const RECORDS = 256;
const RECORD_BYTES = 96;
const ENTRY_FAILURE = 0x8000_0000;
const INSTRUCTION_FAILURE = 0x4000_0000;
const CODE_SIZES = [16, 32, 64, 64] as const;

/** VM exits of one reason. Times are virtual nanoseconds from the exit to the next VM entry. */
export interface ExitCount {
  /** Linux's name. */
  reason: string;
  count: number;
  totalNs: number;
  leastNs: number;
  mostNs: number;
  averageNs: number;
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
  /** Virtual nanoseconds since power-on. */
  clock: number;
}

/** A field of a VMCS and what it holds. */
export interface VmcsValue extends Pick<VmcsField, 'name' | 'encoding' | 'width'> {
  value: bigint;
  /** Names of the bits that are set, where they have names. */
  meaning: string;
}

export class VmxView {
  readonly #state: StateBlock;
  #seen = 0;

  constructor(state: StateBlock) {
    this.#state = state;
  }

  /** Is the processor in VMX non-root operation? */
  get inGuest(): boolean {
    return this.#state.number('nonRoot') !== 0;
  }

  /** Exits so far by reason, the most frequent first. */
  get counts(): ExitCount[] {
    const bytes = this.#state.bytes(LAYOUT.EXIT_COUNTS, REASONS * COUNTS_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const word = (at: number): number => Number(view.getBigUint64(at, true));
    return Array.from({ length: REASONS }, (_, n) => ({
      reason: reasonName(n),
      count: word(n * COUNTS_BYTES),
      totalNs: word(n * COUNTS_BYTES + 8),
      leastNs: word(n * COUNTS_BYTES + 16),
      mostNs: word(n * COUNTS_BYTES + 24),
      averageNs: word(n * COUNTS_BYTES + 8) / Math.max(1, word(n * COUNTS_BYTES + 32)),
    }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count);
  }

  /** Keep a record of every exit. The processor then returns from `run` now and then, so that `take` misses none. */
  set recording(on: boolean) {
    this.#state.setNumber('recordExits', on ? 1 : 0);
  }

  /** The records since the last call, oldest first; of those that nobody asked for only the latest. */
  take(): ExitRecord[] {
    const end = Number(this.#state.field('exitCount'));
    if (end === this.#seen) return [];
    const start = Math.max(this.#seen, end - RECORDS);
    this.#seen = end;
    return Array.from({ length: end - start }, (_, n) => this.#record(start + n));
  }

  /** The current VMCS, field by field, with the names of bits that are set; null where there is none. */
  vmcs(): VmcsValue[] | null {
    if (this.#state.number('vmcs') === 0) return null;
    return VMCS_FIELDS.map(({ name, encoding, width }) => {
      const value = this.#field(encoding);
      return { name, encoding, width, value, meaning: explainField(name, value) };
    });
  }

  #field(encoding: number): bigint {
    return this.#state.view.getBigUint64(this.#state.number('vmcs') + offsetOf(encoding), true);
  }

  #record(number: number): ExitRecord {
    const bytes = this.#state.bytes(LAYOUT.EXIT_RING + (number % RECORDS) * RECORD_BYTES, RECORD_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_BYTES);
    const raw = view.getUint32(0, true);
    const failsInstruction = (raw & INSTRUCTION_FAILURE) !== 0;
    const reason = failsInstruction ? 'VMLAUNCH_VMRESUME' : reasonName(raw & 0xffff);
    const qualification = view.getBigUint64(8, true);
    const rip = view.getBigUint64(16, true);
    const code = bytes.slice(64, 64 + view.getUint8(80));
    const found = code.length > 0 ? disassemble(code, { mode: CODE_SIZES[view.getUint8(81) & 3], ip: rip }) : null;
    const rule = view.getUint16(6, true);
    return {
      number,
      reason,
      ...(failsInstruction ? { failure: instructionErrorText(raw & 0xffff) } : {}),
      ...((raw & ENTRY_FAILURE) !== 0 ? { failure: 'VM entry failed on the guest state' } : {}),
      ...(rule > 0 ? { rule: this.#rule(rule) } : {}),
      qualification,
      meaning: explainQualification(reason, qualification),
      rip,
      instruction: found && !('invalid' in found) ? found.text : '',
      instructionLength: view.getUint16(4, true),
      instructionInformation: view.getUint32(82, true),
      guestPhysical: view.getBigUint64(24, true),
      guestLinear: view.getBigUint64(32, true),
      interruption: explainInterruption(view.getUint32(40, true)),
      vectoring: explainInterruption(view.getUint32(44, true)),
      instructions: Number(view.getBigUint64(48, true)),
      clock: Number(view.getBigUint64(56, true)),
    };
  }

  #rule(number: number): BrokenRule {
    const { name, section, text, fields } = RULES[number - 1];
    const encodings = new Map(VMCS_FIELDS.map((field) => [field.name, field.encoding]));
    const values = fields.flatMap((field) => {
      const encoding = encodings.get(field);
      return encoding === undefined ? [] : [{ name: field, value: this.#field(encoding) }];
    });
    return { name, section, text, fields: values };
  }
}
