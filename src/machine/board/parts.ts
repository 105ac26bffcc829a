/** The parts of a board that have a state, by their names: each is kept once, however many of its faces are on the bus. */
import type { Device, Face } from '../../devices/device.ts';
import type { Saved } from '../../saved.ts';

export class Parts {
  readonly #parts = new Map<string, Saved>();
  readonly #known = new Set<Saved>();

  /** In the order in which they were made, which is that in which they are put back. */
  get all(): ReadonlyMap<string, Saved> {
    return this.#parts;
  }

  /** Keeps the state of a device, or of the one that a face belongs to. Throws Error where the name is another's. */
  keep(name: string, of: Saved | Device | Face): void {
    const part = 'stateOf' in of ? of.stateOf : of;
    if (part === null || this.#known.has(part)) return;
    if (this.#parts.has(name)) throw new Error(`there is a part '${name}' already`);
    this.#parts.set(name, part);
    this.#known.add(part);
  }

  clear(): void {
    this.#parts.clear();
    this.#known.clear();
  }
}
