/** What a saved controller is. */
import type { Command } from './command.ts';
import type { Pieces } from './io.ts';
import type { CompletionState, SubmissionState } from './queues.ts';

export type NvmeState = {
  registers: Uint8Array;
  features: [feature: number, value: number][];
  completion: CompletionState[];
  submission: SubmissionState[];
  waiting: number[];
  mask: number;
  /** The command that is done in pieces, by its queue; null for a queue that was deleted meanwhile. */
  rest: { queue: number | null; command: Command; rest: Pieces } | null;
};
