/**
 * Twins for tests of states: one goes through its life in one piece, the other is put down in the middle of its work as plain
 * data, and a new one of its kind goes on from that.
 */
import { loadAll, type Saved, saveAll } from '../../src/saved.ts';
import type { HandClock } from '../devices/hand-clock.ts';

export interface Twin {
  clock?: HandClock;
  parts: Record<string, Saved>;
  /** Memory that the device works on. */
  memory?: Uint8Array;
}

/** What the second half of a life gives: for the one that was not moved, and for the one that was. */
export function twins<T extends Twin, R>(
  make: () => T,
  first: (twin: T) => void,
  second: (twin: T) => R,
): { unmoved: R; moved: R } {
  const stays = make();
  first(stays);
  const before = make();
  first(before);
  return { unmoved: second(stays), moved: second(move(before, make())) };
}

/** Puts `to` where `from` is, by way of a structured clone. */
export function move<T extends Twin>(from: T, to: T): T {
  const state = structuredClone({
    now: from.clock?.now() ?? 0n,
    timers: from.clock?.save() ?? [],
    parts: saveAll(new Map(Object.entries(from.parts))),
    memory: from.memory?.slice() ?? new Uint8Array(0),
  });
  to.clock?.advanceTo(state.now);
  to.memory?.set(state.memory);
  loadAll(new Map(Object.entries(to.parts)), state.parts);
  to.clock?.load(state.timers);
  return to;
}
