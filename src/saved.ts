/**
 * State as data: whatever holds a part of what a guest can tell apart hands it out as a plain object, and takes it back
 * (docs/decisions/0039-state-is-a-plain-object.md).
 */

/** What a structured clone carries over, and a file can. Types of states are aliases: an interface does not fit here. */
export type Plain =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [name: string]: Plain };

export interface Saved<S extends Plain = Plain> {
  /** The state of now, a copy. */
  save(): S;
  /**
   * Goes on from a state that the same part of an equal machine gave. No wire is moved by this: wires have a state of
   * their own, and are put back before those who drive them.
   */
  load(state: S): void;
}

/** A copy that shares nothing with `state`. */
export function copyOf<S extends Plain>(state: S): S {
  return copy(state) as S;
}

function copy(state: Plain): Plain {
  if (state === null || typeof state !== 'object') return state;
  if (state instanceof Uint8Array) return state.slice();
  if (Array.isArray(state)) return state.map(copy);
  return Object.fromEntries(Object.entries(state).map(([name, value]) => [name, copy(value)]));
}

/** For what has nothing to tell: whatever it shows is the same at all times, or the state of another. */
export const STATELESS: Saved<null> = { save: () => null, load: () => {} };

/** The states of several parts by their names. */
export function saveAll(parts: ReadonlyMap<string, Saved>): { [name: string]: Plain } {
  return Object.fromEntries([...parts].map(([name, part]) => [name, part.save()]));
}

/** Hands out what `saveAll` gave, in the order of `parts`. Throws Error where a part has no state, or a state no part. */
export function loadAll(parts: ReadonlyMap<string, Saved>, states: { readonly [name: string]: Plain }): void {
  const strange = Object.keys(states).find((name) => !parts.has(name));
  if (strange !== undefined) throw new Error(`there is a state of '${strange}', which is no part of this machine`);
  for (const [name, part] of parts) {
    if (!Object.hasOwn(states, name)) throw new Error(`there is no state of '${name}'`);
    part.load(states[name]);
  }
}
