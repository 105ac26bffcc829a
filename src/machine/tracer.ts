/** Hooks for people who watch a guest step by step. A machine without a tracer pays nothing for them. */
import type { Core } from '../core-types.ts';

export interface Tracer {
  /** Before each instruction; the machine then runs one at a time. */
  instruction?(core: Core): void;
  /** The PIC handed a vector to the processor. */
  interrupt?(vector: number, core: Core): void;
}
