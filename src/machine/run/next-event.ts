/** How far it is to the next event, for a run loop that counts what it may run in numbers. */
import { NEVER } from '../../core/types.ts';

/** Nanoseconds from `now` to the earliest of the deadlines, 0 where that is past, Infinity where there is none. */
export function nsUntil(now: bigint, ...deadlines: readonly bigint[]): number {
  const next = deadlines.reduce((first, deadline) => (deadline < first ? deadline : first), NEVER);
  return next === NEVER ? Number.POSITIVE_INFINITY : Math.max(0, Number(next - now));
}

const LONGEST_JUMP_NS = 2 ** 52;

/** A sleep of `ns`, as far as a number counts nanoseconds exactly, and those of a turn too: a longer one is several. */
export const jumpOf = (ns: number): number => Math.min(ns, LONGEST_JUMP_NS);
