/**
 * Doors: the ways by which the world outside of a machine reaches it. Whatever comes in passes one, by name and as plain
 * data; so whoever records a machine misses nothing, and whoever plays a recording back has one place to put it in.
 */
import type { Plain } from './saved.ts';

export interface Doors {
  /** A way in: the outside calls what comes back, which hands its plain arguments to `receive`. */
  door<A extends readonly Plain[], R>(name: string, receive: (...data: A) => R): (...data: A) => R;
  /** A question that the outside answers at once; the answer comes in by the door `name`. */
  ask<A extends Plain>(name: string, question: () => A): A;
}

/** For parts that are in no machine. */
export const NO_DOORS: Doors = { door: (_name, receive) => receive, ask: (_name, question) => question() };

/** The doors of a part: they are called `prefix.NAME`. */
export const doorsOf = (doors: Doors, prefix: string): Doors => ({
  door: (name, receive) => doors.door(`${prefix}.${name}`, receive),
  ask: (name, question) => doors.ask(`${prefix}.${name}`, question),
});
