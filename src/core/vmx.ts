/**
 * What people see of VMX: exits counted by reason, records of single exits, the current VMCS by the manual's names. Read
 * from the state block.
 */

import type { CpuModel } from '../cpu-models/index.ts';
import { disassemble } from '../isa/disasm.ts';
import { explainField } from '../isa/vmx/control-bits.ts';
import { type ExitSettings, exitCycles } from '../isa/vmx/exit-costs.ts';
import { offsetOf, VMCS_FIELDS } from '../isa/vmx/fields.ts';
import { explainInterruption, explainQualification } from '../isa/vmx/qualification.ts';
import { instructionErrorText, reasonName } from '../isa/vmx/reasons.ts';
import { RULES } from '../isa/vmx/rules.ts';
import { Cr0, Cr4, Efer, Failure, Primary, Secondary } from './enums.gen.ts';
import { EXIT_COUNT, EXIT_RECORD, LAYOUT } from './layout.gen.ts';
import type { StateBlock } from './state.ts';
import type { BrokenRule, ExitCount, ExitRecord, VmcsValue, VmxView } from './vmx-types.ts';

const CODE_SIZES = [16, 32, 64, 64] as const;
const ENCODINGS: ReadonlyMap<string, number> = new Map(VMCS_FIELDS.map(({ name, encoding }) => [name, encoding]));

/** The field at `place` of what begins at `base`. */
function fieldAt(view: DataView, { at, type }: { at: number; type: string }, base = 0): bigint {
  if (type === 'u64') return view.getBigUint64(base + at, true);
  if (type === 'u32') return BigInt(view.getUint32(base + at, true));
  return BigInt(type === 'u16' ? view.getUint16(base + at, true) : view.getUint8(base + at));
}

/** Has `value` one of the bits of `mask`? */
const has = (value: bigint, mask: bigint): boolean => (value & mask) !== 0n;

export class StateVmxView implements VmxView {
  readonly #state: StateBlock;
  /** The processor's model, which says what exits would cost. */
  readonly model: string;
  #seen = 0;
  #isRecording = false;
  #isStopping = false;
  /** As they were when they were looked at last: the hypervisor may have put its VMCS away since. */
  #settings: ExitSettings;

  constructor(state: StateBlock, { name, reported }: Pick<CpuModel, 'name' | 'reported'>) {
    this.#state = state;
    this.model = name;
    const eptLevels = reported.has('vmx-ept') ? 4 : 0;
    this.#settings = { hasVpid: reported.has('vmx-vpid'), guestLevels: 4, eptLevels, msrs: 0 };
  }

  /** Is the processor in VMX non-root operation? */
  get inGuest(): boolean {
    return this.#state.number('nonRoot') !== 0;
  }

  /** Exits so far by reason, the most frequent first. */
  get counts(): ExitCount[] {
    const bytes = this.#state.bytes(LAYOUT.EXIT_COUNTS, LAYOUT.EXIT_REASONS * LAYOUT.EXIT_COUNT_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const word = (n: number, field: keyof typeof EXIT_COUNT): number =>
      Number(fieldAt(view, EXIT_COUNT[field], n * LAYOUT.EXIT_COUNT_BYTES));
    const settings = this.#lookAtSettings();
    return Array.from({ length: LAYOUT.EXIT_REASONS }, (_, n) => ({
      reason: reasonName(n),
      count: word(n, 'exits'),
      totalNs: word(n, 'time'),
      leastNs: word(n, 'least'),
      mostNs: word(n, 'most'),
      averageNs: word(n, 'time') / Math.max(1, word(n, 'followed')),
      modelledCycles: exitCycles(this.model, reasonName(n), settings),
    }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count);
  }

  /** Keep a record of every exit. The processor then returns from `run` now and then, so that `take` misses none. */
  set recording(on: boolean) {
    this.#isRecording = on;
    this.#tellProcessor();
  }

  /** Return from `run` at every exit, before the hypervisor's first instruction, and behind a VM entry that fails. */
  set stopping(on: boolean) {
    this.#isStopping = on;
    this.#tellProcessor();
  }

  #tellProcessor(): void {
    this.#state.setNumber('recordExits', this.#isStopping ? 2 : this.#isRecording ? 1 : 0);
  }

  /** The records since the last call, oldest first; of those that nobody asked for only the latest. */
  take(): ExitRecord[] {
    if (this.inGuest) this.#lookAtSettings();
    const end = Number(this.#state.field('exitCount'));
    if (end === this.#seen) return [];
    const start = Math.max(this.#seen, end - LAYOUT.EXIT_RECORDS);
    this.#seen = end;
    return Array.from({ length: end - start }, (_, n) => this.#record(start + n));
  }

  /** The current VMCS, field by field, with the names of bits that are set; null where there is none. */
  vmcs(): VmcsValue[] | null {
    if (this.#state.number('vmcs') === 0) return null;
    return VMCS_FIELDS.map(({ name, encoding, width }) => {
      const value = this.#field(encoding);
      return { name, encoding, width, value, meaning: this.#explain(name, value) };
    });
  }

  #explain(name: string, value: bigint): string {
    const number = Number(value & 0xffff_ffffn);
    if (name.endsWith('_INTERRUPTION_INFORMATION') || name === 'IDT_VECTORING_INFORMATION')
      return explainInterruption(number);
    if (name === 'VM_INSTRUCTION_ERROR') return number === 0 ? '' : instructionErrorText(number);
    if (name !== 'EXIT_REASON' && name !== 'EXIT_QUALIFICATION') return explainField(name, value);
    const reason = Number(this.#fieldOf('EXIT_REASON') & 0xffff_ffffn);
    if (name === 'EXIT_QUALIFICATION') return explainQualification(reasonName(reason & 0xffff), value);
    return `${reasonName(reason & 0xffff)}${(reason & Failure.ENTRY) !== 0 ? ', VM entry failed' : ''}`;
  }

  #fieldOf(name: string): bigint {
    return this.#field(ENCODINGS.get(name) ?? 0);
  }

  #lookAtSettings(): ExitSettings {
    if (this.#state.number('vmcs') === 0) return this.#settings;
    const field = (name: string): bigint => this.#fieldOf(name);
    const [cr0, cr4] = [field('GUEST_CR0'), field('GUEST_CR4')];
    const secondary = has(field('PRIMARY_CONTROLS'), Primary.SECONDARY) ? field('SECONDARY_CONTROLS') : 0n;
    const long = has(cr4, Cr4.LA57) ? 5 : 4;
    const paged = has(field('GUEST_EFER'), Efer.LMA) ? long : has(cr4, Cr4.PAE) ? 3 : 2;
    const msrs = ['EXIT_MSR_STORE_COUNT', 'EXIT_MSR_LOAD_COUNT', 'ENTRY_MSR_LOAD_COUNT'];
    this.#settings = {
      hasVpid: has(secondary, Secondary.VPID),
      guestLevels: has(cr0, Cr0.PG) ? paged : 0,
      eptLevels: has(secondary, Secondary.EPT) ? Number((field('EPTP') >> 3n) & 7n) + 1 : 0,
      msrs: msrs.reduce((sum, name) => sum + Number(field(name)), 0),
    };
    return this.#settings;
  }

  #field(encoding: number): bigint {
    return this.#state.view.getBigUint64(this.#state.number('vmcs') + offsetOf(encoding), true);
  }

  #record(number: number): ExitRecord {
    const at = LAYOUT.EXIT_RING + (number % LAYOUT.EXIT_RECORDS) * LAYOUT.EXIT_RECORD_BYTES;
    const bytes = this.#state.bytes(at, LAYOUT.EXIT_RECORD_BYTES).slice();
    const view = new DataView(bytes.buffer);
    const field = (name: keyof typeof EXIT_RECORD): bigint => fieldAt(view, EXIT_RECORD[name]);
    const word = (name: keyof typeof EXIT_RECORD): number => Number(field(name));
    const raw = word('reason');
    const failsInstruction = (raw & Failure.INSTRUCTION) !== 0;
    const reason = failsInstruction ? 'VMLAUNCH_VMRESUME' : reasonName(raw & 0xffff);
    const [qualification, rip] = [field('qualification'), field('rip')];
    const code = bytes.subarray(EXIT_RECORD.code.at).slice(0, word('codeLength'));
    const found = code.length > 0 ? disassemble(code, { mode: CODE_SIZES[word('codeSize') & 3], ip: rip }) : null;
    const rule = word('rule');
    return {
      number,
      reason,
      ...(failsInstruction ? { failure: instructionErrorText(raw & 0xffff) } : {}),
      ...((raw & Failure.ENTRY) !== 0 ? { failure: 'VM entry failed on the guest state' } : {}),
      ...(rule > 0 ? { rule: this.#rule(rule) } : {}),
      qualification,
      meaning: explainQualification(reason, qualification),
      rip,
      instruction: found && !('invalid' in found) ? found.text : '',
      instructionLength: word('length'),
      instructionInformation: word('operands'),
      guestPhysical: field('guestPhysical'),
      guestLinear: field('guestLinear'),
      interruption: explainInterruption(word('interruption')),
      vectoring: explainInterruption(word('vectoring')),
      instructions: word('instructions'),
      ...(failsInstruction ? {} : { modelledCycles: exitCycles(this.model, reason, this.#lookAtSettings()) }),
      clock: word('clock'),
    };
  }

  #rule(number: number): BrokenRule {
    const { name, section, text, fields } = RULES[number - 1];
    const values = fields.flatMap((field) => {
      const encoding = ENCODINGS.get(field);
      return encoding === undefined ? [] : [{ name: field, value: this.#field(encoding) }];
    });
    return { name, section, text, fields: values };
  }
}
