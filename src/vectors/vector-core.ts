/**
 * What the vector runner asks of a processor beyond running: its floating-point and vector registers, where it has any.
 */
import type { Core } from '../core-types.ts';
import type { FpuState } from './state.ts';

export interface VectorCore extends Core {
  /** Tells the processor that the embedder wrote to memory which may hold decoded code. */
  invalidateCode(pa: number, length: number): void;
  getFpu?(into: FpuState): void;
  setFpu?(from: FpuState): void;
}
