/** What the vector runner asks of a processor. */
import type { Core } from '../core/types.ts';

export type VectorCore = Core;
