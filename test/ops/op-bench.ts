/**
 * Runs single instructions of 64-bit mode, ring 0, on a lab and says what they did. Faults of vectors 0 to 20 are caught
 * by gates of their own.
 */

import { LAYOUT } from '../../src/core/layout.gen.ts';
import { FEATURES } from '../../src/isa/gen/emit-tables.ts';
import type { Feature } from '../../src/isa/table.ts';
import { CODE, HANDLER, type Lab, longLab } from '../exec/lab.ts';

export const DATA = 0x50000;
export const Flags = { CF: 1n, PF: 4n, AF: 0x10n, ZF: 0x40n, SF: 0x80n, OF: 0x800n } as const;
export const ARITHMETIC = 0x8d5n;

const VECTORS = 21;
const HANDLER_STRIDE = 16;

export interface Result {
  /** The exception's vector, -1 where the instruction completed. */
  vector: number;
  errorCode: number;
  flags: bigint;
}

export class OpBench {
  readonly lab: Lab;

  constructor(lab: Lab) {
    this.lab = lab;
  }

  static async create(): Promise<OpBench> {
    const lab = await longLab();
    for (let v = 0; v < VECTORS; v++) lab.gate64(v, BigInt(HANDLER + v * HANDLER_STRIDE));
    const bench = new OpBench(lab);
    lab.core.state.bytes(LAYOUT.CPUID, FEATURES.length + 1).fill(1);
    return bench;
  }

  setFeature(name: Feature, on: boolean): void {
    this.lab.core.state.bytes(LAYOUT.CPUID + FEATURES.indexOf(name) + 1, 1)[0] = on ? 1 : 0;
    this.lab.core.invalidateCode(CODE, 16);
  }

  /** Runs one instruction, written in hexadecimal, with registers and RFLAGS as given; the others stay. */
  run(bytes: string, registers: Parameters<Lab['set']>[0] = {}): Result {
    const { lab } = this;
    lab.set({ rip: CODE, rsp: 0x30000, rflags: 2, ...registers });
    lab.code(CODE, bytes);
    lab.step();
    const offset = Number(lab.get('rip')) - HANDLER;
    const faulted = offset >= 0 && offset < VECTORS * HANDLER_STRIDE;
    const vector = faulted ? Math.floor(offset / HANDLER_STRIDE) : -1;
    return { vector, errorCode: faulted ? lab.stack(8, 1)[0] : 0, flags: lab.get('rflags') & ARITHMETIC };
  }

  get(name: Parameters<Lab['get']>[0]): bigint {
    return this.lab.get(name);
  }
  peek(at: number): bigint {
    return this.lab.view().getBigUint64(at, true);
  }
  poke(at: number, value: bigint): void {
    this.lab.put64(at, value);
  }
}

/** The low `bits` of a number, and the same read as a signed one. */
export const low = (value: bigint, bits: number): bigint => BigInt.asUintN(bits, value);
export const signed = (value: bigint, bits: number): bigint => BigInt.asIntN(bits, value);

/** SF, ZF and PF of a result. */
export function resultFlags(result: bigint, bits: number): bigint {
  const value = low(result, bits);
  const ones = [...(value & 0xffn).toString(2)].filter((digit) => digit === '1').length;
  return (
    (value === 0n ? Flags.ZF : 0n) | (value >> BigInt(bits - 1) ? Flags.SF : 0n) | (ones % 2 === 0 ? Flags.PF : 0n)
  );
}
