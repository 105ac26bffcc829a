/**
 * The part of a processor that an instruction vector speaks of: what a case starts from and what it must end with.
 */
import { PAGE_SIZE } from './layout.ts';

/** Floating-point and vector registers, laid out as the VEC1 format has them. */
export interface FpuState {
  mxcsr: number;
  /** 16 registers of 32 bytes. */
  readonly ymm: Uint8Array;
  fcw: number;
  fsw: number;
  /** Abridged tag word: bit i is set when physical register i is not empty. */
  ftw: number;
  /** 8 registers of 10 bytes in stack order. */
  readonly st: Uint8Array;
}

export interface VectorState extends FpuState {
  readonly gpr: BigUint64Array;
  rflags: number;
  /** The data page that holds the case's window. */
  readonly page: Uint8Array;
}

export function createState(): VectorState {
  return {
    gpr: new BigUint64Array(16),
    rflags: 0,
    mxcsr: 0,
    ymm: new Uint8Array(16 * 32),
    fcw: 0,
    fsw: 0,
    ftw: 0,
    st: new Uint8Array(8 * 10),
    page: new Uint8Array(PAGE_SIZE),
  };
}

/** Makes `to` equal to `from`, floating-point and vector registers only. */
export function copyFpu(to: FpuState, from: FpuState): void {
  to.mxcsr = from.mxcsr;
  to.ymm.set(from.ymm);
  to.fcw = from.fcw;
  to.fsw = from.fsw;
  to.ftw = from.ftw;
  to.st.set(from.st);
}

/** Makes `to` equal to `from`. */
export function copyState(to: VectorState, from: VectorState): void {
  copyFpu(to, from);
  to.gpr.set(from.gpr);
  to.rflags = from.rflags;
  to.page.set(from.page);
}
