/**
 * Architectural registers in the state block of a vCPU: names to addresses. Values are unsigned BigInts, whatever the
 * width; changes of what translation depends on are reported, so that the processor can be told.
 */

import { FIELDS, LAYOUT } from './layout.gen.ts';
import type { RegisterName, Segment, SegmentName } from './types.ts';
import { GPRS, SEGMENTS } from './types.ts';

type Field = keyof typeof FIELDS;

const SEGMENT_SIZE = 32;

/** Registers that are plain fields of class Cpu. */
const PLAIN: Partial<Record<RegisterName, Field>> = {
  rip: 'blockRip',
  cr0: 'cr0',
  cr2: 'cr2',
  cr3: 'cr3',
  cr4: 'cr4',
  efer: 'efer',
  xcr0: 'xcr0',
  dr0: 'dr0',
  dr1: 'dr1',
  dr2: 'dr2',
  dr3: 'dr3',
  dr6: 'dr6',
  dr7: 'dr7',
  'gdtr.base': 'gdtrBase',
  'gdtr.limit': 'gdtrLimit',
  'idtr.base': 'idtrBase',
  'idtr.limit': 'idtrLimit',
};

/** A DataView that follows the memory when it grows, with typed access to one vCPU's window. */
export class StateBlock {
  readonly #memory: () => ArrayBufferLike;
  readonly #window: number;
  #cached: DataView;

  constructor(memory: () => ArrayBufferLike, window: number) {
    this.#memory = memory;
    this.#window = window;
    this.#cached = new DataView(memory());
  }

  get view(): DataView {
    if (this.#cached.byteLength === 0) this.#cached = new DataView(this.#memory());
    return this.#cached;
  }

  /** `length` bytes at `offset` of the window; not to be kept. */
  bytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.view.buffer, this.#window + offset, length);
  }

  field(name: Field): bigint {
    const { at, type } = FIELDS[name];
    const address = this.#window + at;
    if (type === 'u64') return this.view.getBigUint64(address, true);
    return BigInt(this.view.getUint32(address, true));
  }

  setField(name: Field, value: bigint): void {
    const { at, type } = FIELDS[name];
    const address = this.#window + at;
    if (type === 'u64') this.view.setBigUint64(address, value, true);
    else this.view.setUint32(address, Number(BigInt.asUintN(32, value)), true);
  }

  /** A 32-bit field as a number. */
  number(name: Field): number {
    return this.view.getUint32(this.#window + FIELDS[name].at, true);
  }

  setNumber(name: Field, value: number): void {
    this.view.setUint32(this.#window + FIELDS[name].at, value, true);
  }

  /** Address of a general register or plain field; undefined for RFLAGS and CR8, which are computed. */
  get(register: RegisterName): bigint | undefined {
    const number = (GPRS as readonly string[]).indexOf(register);
    if (number >= 0) return this.view.getBigUint64(this.#window + LAYOUT.GPR + 8 * number, true);
    const field = PLAIN[register];
    return field && this.field(field);
  }

  /** False for RFLAGS and CR8, which are computed. */
  set(register: RegisterName, value: bigint): boolean {
    const number = (GPRS as readonly string[]).indexOf(register);
    if (number >= 0) {
      this.view.setBigUint64(this.#window + LAYOUT.GPR + 8 * number, value, true);
      return true;
    }
    const field = PLAIN[register];
    if (field) this.setField(field, value);
    return field !== undefined;
  }

  getSegment(name: SegmentName): Segment {
    const at = this.#window + LAYOUT.SEG + SEGMENT_SIZE * SEGMENTS.indexOf(name);
    return {
      base: this.view.getBigUint64(at, true),
      limit: this.view.getUint32(at + 8, true),
      rights: this.view.getUint32(at + 12, true),
      selector: this.view.getUint32(at + 16, true),
    };
  }

  setSegment(name: SegmentName, segment: Segment): void {
    const at = this.#window + LAYOUT.SEG + SEGMENT_SIZE * SEGMENTS.indexOf(name);
    this.view.setBigUint64(at, segment.base, true);
    this.view.setUint32(at + 8, segment.limit, true);
    this.view.setUint32(at + 12, segment.rights, true);
    this.view.setUint32(at + 16, segment.selector, true);
  }
}
