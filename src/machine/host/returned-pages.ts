/**
 * Guest pages that the guest gave back. Memory of the core cannot be returned to the host, so that such a page is made
 * zero, where it is not so already, and counted (docs/decisions/0011-memory-that-a-guest-gives-back.md).
 */
import type { GuestMemory } from '../../core/types.ts';
import { isZero } from '../../devices/is-zero.ts';
import type { Saved } from '../../saved.ts';

const PAGE = 4096;
const State = { USED: 0, BALLOONED: 1, REPORTED: 2 } as const;

/** Bytes that the guest gave back and that hold nothing. */
export interface ReturnedFigures {
  /** In the balloon, until it shrinks. */
  ballooned: number;
  /** Reported as free, and not written since. */
  reported: number;
}

/** Pages that came back, and how: the numbers of State. */
export type PageStates = [pa: number, state: number][];

export class ReturnedPages implements Saved<PageStates> {
  readonly #memory: GuestMemory;
  readonly #wrote: (pa: number, length: number) => void;
  readonly #states = new Map<number, number>();

  constructor(memory: GuestMemory, wrote: (pa: number, length: number) => void) {
    this.#memory = memory;
    this.#wrote = wrote;
  }

  /** A page at `pa` is in the balloon now. */
  inflate(pa: number): void {
    this.#empty(pa);
    this.#states.set(pa, State.BALLOONED);
  }

  deflate(pa: number): void {
    this.#states.delete(pa);
  }

  /** Whole pages are free for now. */
  report(pa: number, length: number): void {
    for (let page = pa; page < pa + length; page += PAGE) {
      this.#empty(page);
      if (this.#states.get(page) !== State.BALLOONED) this.#states.set(page, State.REPORTED);
    }
  }

  save(): PageStates {
    return [...this.#states];
  }

  load(states: PageStates): void {
    this.#states.clear();
    for (const [pa, state] of states) this.#states.set(pa, state);
  }

  /** Forgets everything: the machine was reset. */
  clear(): void {
    this.#states.clear();
  }

  /** Looks at every page that was reported: the guest says nothing when it takes one again. */
  figures(): ReturnedFigures {
    const figures = { ballooned: 0, reported: 0 };
    for (const [pa, state] of this.#states) {
      if (state === State.BALLOONED) figures.ballooned += PAGE;
      else if (this.#isEmpty(pa)) figures.reported += PAGE;
      else this.#states.delete(pa);
    }
    return figures;
  }

  /** A page that is zero is not written: the host may never have given memory for it. */
  #empty(pa: number): void {
    if (this.#isEmpty(pa)) return;
    this.#memory.bytes(pa, PAGE).fill(0);
    this.#wrote(pa, PAGE);
  }

  #isEmpty(pa: number): boolean {
    return isZero(this.#memory.bytes(pa, PAGE));
  }
}
