/**
 * The contents of folders that a client reads, each as it was when reading began. They are counted in bytes: where they
 * are too many the oldest goes, and is made anew when its reader comes back.
 */
import { copyOf } from '../../saved.ts';
import { type DirectoryEntry, Errno, FileError } from './file-tree.ts';

const MAX_BYTES = 64 << 20;
/** What an entry costs besides the letters of its name. */
const ENTRY_BYTES = 128;

/** Entries that are looked at together. */
const BATCH = 256;

/** A folder as it is saved: its names, and what they are if all of that is known. */
export type FolderState = { names: string[] } | { entries: DirectoryEntry[] };

/** What is in a folder: the names as they were when reading began, and what a few of them are at a time. */
export class Folder {
  readonly names: readonly string[];
  readonly #look: (from: number, to: number) => readonly DirectoryEntry[];
  #whole: readonly DirectoryEntry[] | null = null;
  #first = 0;
  #batch: readonly DirectoryEntry[] = [];

  /** A folder of which all is known. */
  static of(entries: readonly DirectoryEntry[]): Folder {
    const folder = new Folder(
      entries.map(({ name }) => name),
      (from, to) => entries.slice(from, to),
    );
    folder.#whole = entries;
    return folder;
  }

  save(): FolderState {
    return this.#whole ? { entries: copyOf([...this.#whole]) } : { names: [...this.names] };
  }

  constructor(names: readonly string[], look: (from: number, to: number) => readonly DirectoryEntry[]) {
    this.names = names;
    this.#look = look;
  }

  entry(at: number): DirectoryEntry {
    if (at < this.#first || at >= this.#first + this.#batch.length) {
      this.#first = at;
      this.#batch = this.#look(at, Math.min(at + BATCH, this.names.length));
    }
    return this.#batch[at - this.#first];
  }
}

interface Listing {
  folder: Folder;
  bytes: number;
}

export class Listings {
  /** The oldest first. */
  readonly #listings = new Map<object, Listing>();
  #bytes = 0;

  /** The listing of a reader, made by `make` where it begins or has none. Throws ENOMEM where one alone is too long. */
  of(reader: object, begins: boolean, make: () => Folder): Folder {
    const known = this.#listings.get(reader);
    if (known && !begins) return known.folder;
    this.forget(reader);
    const folder = make();
    const bytes = folder.names.reduce((sum, name) => sum + ENTRY_BYTES + 2 * name.length, 0);
    if (bytes > MAX_BYTES) throw new FileError(Errno.ENOMEM);
    for (const oldest of this.#listings.keys()) {
      if (this.#bytes + bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
    this.#listings.set(reader, { folder, bytes });
    this.#bytes += bytes;
    return folder;
  }

  /** The readers with what they read, the oldest first. */
  get all(): { reader: object; folder: Folder }[] {
    return [...this.#listings].map(([reader, { folder }]) => ({ reader, folder }));
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
