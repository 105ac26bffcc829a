/**
 * What people see of VMX: exits counted by reason, records of single exits, the current VMCS by the manual's names. Read
 * from the state block; the layouts are those of assembly/cpu/exit.ts and src/isa/vmx/fields.ts.
 */

import type { CpuModel } from '../cpu-models/index.ts';
import { disassemble } from '../isa/disasm.ts';
import { explainField } from '../isa/vmx/control-bits.ts';
import { type ExitSettings, exitCycles } from '../isa/vmx/exit-costs.ts';
import { offsetOf, VMCS_FIELDS } from '../isa/vmx/fields.ts';
import { explainInterruption, explainQualification } from '../isa/vmx/qualification.ts';
import { instructionErrorText, reasonName } from '../isa/vmx/reasons.ts';
import { RULES } from '../isa/vmx/rules.ts';
import { LAYOUT } from './layout.gen.ts';
import type { StateBlock } from './state.ts';
import type { BrokenRule, ExitCount, ExitRecord, VmcsValue, VmxView } from './vmx-types.ts';

const REASONS = 80;
const COUNTS_BYTES = 40;
const RECORDS = 256;
const RECORD_BYTES = 96;
/** Where a record has what comes from exit-information fields. */
const EXIT_INFORMATION = [
  [4, 6],
  [8, 16],
  [24, 48],
  [84, 88],
] as const;
const ENTRY_FAILURE = 0x8000_0000;
const INSTRUCTION_FAILURE = 0x4000_0000;
const CODE_SIZES = [16, 32, 64, 64] as const;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const CR4_LA57 = 1n << 12n;
const EFER_LMA = 1n << 10n;
const SECONDARY = 1n << 31n;
const ENABLE_EPT = 1n << 1n;
const ENABLE_VPID = 1n << 5n;
const ENCODINGS: ReadonlyMap<string, number> = new Map(VMCS_FIELDS.map(({ name, encoding }) => [name, encoding]));

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
    const bytes = this.#state.bytes(LAYOUT.EXIT_COUNTS, REASONS * COUNTS_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const word = (at: number): number => Number(view.getBigUint64(at, true));
    const settings = this.#lookAtSettings();
    return Array.from({ length: REASONS }, (_, n) => ({
      reason: reasonName(n),
      count: word(n * COUNTS_BYTES),
      totalNs: word(n * COUNTS_BYTES + 8),
      leastNs: word(n * COUNTS_BYTES + 16),
      mostNs: word(n * COUNTS_BYTES + 24),
      averageNs: word(n * COUNTS_BYTES + 8) / Math.max(1, word(n * COUNTS_BYTES + 32)),
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
    const start = Math.max(this.#seen, end - RECORDS);
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
    return `${reasonName(reason & 0xffff)}${(reason & ENTRY_FAILURE) !== 0 ? ', VM entry failed' : ''}`;
  }

  #fieldOf(name: string): bigint {
    return this.#field(ENCODINGS.get(name) ?? 0);
  }

  #lookAtSettings(): ExitSettings {
    if (this.#state.number('vmcs') === 0) return this.#settings;
    const field = (name: string): bigint => this.#fieldOf(name);
    const [cr0, cr4] = [field('GUEST_CR0'), field('GUEST_CR4')];
    const secondary = (field('PRIMARY_CONTROLS') & SECONDARY) !== 0n ? field('SECONDARY_CONTROLS') : 0n;
    const long = (cr4 & CR4_LA57) !== 0n ? 5 : 4;
    const paged = (field('GUEST_EFER') & EFER_LMA) !== 0n ? long : (cr4 & CR4_PAE) !== 0n ? 3 : 2;
    const msrs = ['EXIT_MSR_STORE_COUNT', 'EXIT_MSR_LOAD_COUNT', 'ENTRY_MSR_LOAD_COUNT'];
    this.#settings = {
      hasVpid: (secondary & ENABLE_VPID) !== 0n,
      guestLevels: (cr0 & CR0_PG) !== 0n ? paged : 0,
      eptLevels: (secondary & ENABLE_EPT) !== 0n ? Number((field('EPTP') >> 3n) & 7n) + 1 : 0,
      msrs: msrs.reduce((sum, name) => sum + Number(field(name)), 0),
    };
    return this.#settings;
  }

  #field(encoding: number): bigint {
    return this.#state.view.getBigUint64(this.#state.number('vmcs') + offsetOf(encoding), true);
  }

  #record(number: number): ExitRecord {
    const bytes = this.#state.bytes(LAYOUT.EXIT_RING + (number % RECORDS) * RECORD_BYTES, RECORD_BYTES).slice();
    const view = new DataView(bytes.buffer);
    const raw = view.getUint32(0, true);
    const failsInstruction = (raw & INSTRUCTION_FAILURE) !== 0;
    // The exit information is that of an earlier exit.
    if (failsInstruction) for (const [start, end] of EXIT_INFORMATION) bytes.fill(0, start, end);
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
      instructionInformation: view.getUint32(84, true),
      guestPhysical: view.getBigUint64(24, true),
      guestLinear: view.getBigUint64(32, true),
      interruption: explainInterruption(view.getUint32(40, true)),
      vectoring: explainInterruption(view.getUint32(44, true)),
      instructions: Number(view.getBigUint64(48, true)),
      ...(failsInstruction ? {} : { modelledCycles: exitCycles(this.model, reason, this.#lookAtSettings()) }),
      clock: Number(view.getBigUint64(56, true)),
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
