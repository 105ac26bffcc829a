/**
 * The contents of folders that a client reads, each as it was when reading began. They are counted in bytes: where they
 * are too many the oldest goes, and is made anew when its reader comes back.
 */
import { type DirectoryEntry, Errno, FileError } from './file-tree.ts';

const MAX_BYTES = 64 << 20;
/** What an entry costs besides the letters of its name. */
const ENTRY_BYTES = 128;

interface Listing {
  entries: readonly DirectoryEntry[];
  bytes: number;
}

export class Listings {
  /** The oldest first. */
  readonly #listings = new Map<object, Listing>();
  #bytes = 0;

  /** The listing of a reader, made by `make` where it begins or has none. Throws ENOMEM where one alone is too long. */
  of(reader: object, begins: boolean, make: () => readonly DirectoryEntry[]): readonly DirectoryEntry[] {
    const known = this.#listings.get(reader);
    if (known && !begins) return known.entries;
    this.forget(reader);
    const entries = make();
    const bytes = entries.reduce((sum, { name }) => sum + ENTRY_BYTES + 2 * name.length, 0);
    if (bytes > MAX_BYTES) throw new FileError(Errno.ENOMEM);
    for (const oldest of this.#listings.keys()) {
      if (this.#bytes + bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
    this.#listings.set(reader, { entries, bytes });
    this.#bytes += bytes;
    return entries;
  }

  /** The readers with what they read, the oldest first. */
  get all(): { reader: object; entries: readonly DirectoryEntry[] }[] {
    return [...this.#listings].map(([reader, { entries }]) => ({ reader, entries }));
  }

  forget(reader: object): void {
    this.#bytes -= this.#listings.get(reader)?.bytes ?? 0;
    this.#listings.delete(reader);
  }

  /** What the listings cost together. */
  get bytes(): number {
    return this.#bytes;
  }
}
