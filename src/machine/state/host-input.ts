/**
 * All doors of a machine. Without a recorder what comes in costs a call; with one it is an entry, stamped with the
 * instructions retired by then.
 */
import type { Doors } from '../../doors.ts';
import { copyOf, type Plain } from '../../saved.ts';

export interface InputEntry {
  /** Instructions retired by all processors when it came in. */
  at: number;
  door: string;
  data: readonly Plain[];
}

type Receiver = (...data: Plain[]) => unknown;

export class HostInput implements Doors {
  readonly #retired: () => number;
  readonly #receivers = new Map<string, Receiver>();
  #record: ((entry: InputEntry) => void) | null = null;

  constructor(retired: () => number) {
    this.#retired = retired;
  }

  /** A door of a name that there is already takes its place: a reset makes devices anew. */
  door<A extends readonly Plain[], R>(name: string, receive: (...data: A) => R): (...data: A) => R {
    this.#receivers.set(name, receive as unknown as Receiver);
    return (...data) => {
      if (this.#record) this.#note(name, data);
      return receive(...data);
    };
  }

  ask<A extends Plain>(name: string, question: () => A): A {
    const answer = question();
    if (this.#record) this.#note(name, [answer]);
    return answer;
  }

  /** Tells every entry from now on, before it takes effect; null ends that. */
  record(listener: ((entry: InputEntry) => void) | null): void {
    this.#record = listener;
  }

  /** Lets something in by a door, as the outside would. Throws Error where there is none of this name. */
  enter(name: string, data: readonly Plain[]): unknown {
    const receive = this.#receivers.get(name);
    if (!receive) throw new Error(`there is no door '${name}'`);
    return receive(...data);
  }

  #note(door: string, data: readonly Plain[]): void {
    this.#record?.({ at: this.#retired(), door, data: copyOf(data) });
  }
}
