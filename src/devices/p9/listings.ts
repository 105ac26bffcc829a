/**
 * The names in folders that a client reads, each as they were when reading began. They are counted in bytes: where they
 * are too many the oldest goes, and is made anew when its reader comes back.
 */
import { type DirectoryEntry, Errno, FileError, type FileTree, type Path } from './file-tree.ts';

const MAX_BYTES = 64 << 20;
/** What an entry costs besides the letters of its name. */
const ENTRY_BYTES = 128;

/** All names in a folder, its own and its parent's among them. */
export function namesIn(tree: FileTree, path: Path): string[] {
  return ['.', '..', ...(tree.names?.(path) ?? tree.list(path).map(({ name }) => name))];
}

/** What `names` of a folder are now. */
export function entriesIn(tree: FileTree, path: Path, names: readonly string[]): DirectoryEntry[] {
  const isDots = (name: string): boolean => name === '.' || name === '..';
  const dots = names.filter(isDots).map((name) => entryAt(tree, name === '.' ? path : path.slice(0, -1), name));
  const others = names.filter((name) => !isDots(name));
  if (others.length === 0) return dots;
  return [...dots, ...(tree.entries?.(path, others) ?? others.map((name) => entryAt(tree, [...path, name], name)))];
}
function entryAt(tree: FileTree, path: Path, name: string): DirectoryEntry {
  try {
    const { id, mode } = tree.stat(path);
    return { name, id, mode };
  } catch (error) {
    if (error instanceof FileError) return { name, id: 0n, mode: 0 };
    throw error;
  }
}

interface Listing {
  names: readonly string[];
  bytes: number;
}

export class Listings {
  /** The oldest first. */
  readonly #listings = new Map<object, Listing>();
  #bytes = 0;

  /** The listing of a reader, made by `make` where it begins or has none. Throws ENOMEM where one alone is too long. */
  of(reader: object, begins: boolean, make: () => readonly string[]): readonly string[] {
    const known = this.#listings.get(reader);
    if (known && !begins) return known.names;
    this.forget(reader);
    const names = make();
    const bytes = names.reduce((sum, name) => sum + ENTRY_BYTES + 2 * name.length, 0);
    if (bytes > MAX_BYTES) throw new FileError(Errno.ENOMEM);
    for (const oldest of this.#listings.keys()) {
      if (this.#bytes + bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
    this.#listings.set(reader, { names, bytes });
    this.#bytes += bytes;
    return names;
  }

  /** The readers with what they read, the oldest first. */
  get all(): { reader: object; names: readonly string[] }[] {
    return [...this.#listings].map(([reader, { names }]) => ({ reader, names }));
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
