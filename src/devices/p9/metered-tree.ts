/**
 * A tree of files that counts what was asked of it: where a host answers by system calls, a message of a few bytes may be
 * long work. Each call is charged by the folders on its way, a list by its entries too.
 */
import type { DirectoryEntry, FileChanges, FileStat, FileTree, OpenFile, OpenHow, Path, Space } from './file-tree.ts';

/** As WorkMeter counts: a system call takes about as long as a copy of so many bytes. */
const CALL_WORK = 16 << 10;
/** A name in a folder, without a look at its file. */
const NAME_WORK = 2 << 10;

export class MeteredTree implements FileTree {
  readonly #tree: FileTree;
  #work = 0;

  readonly walk?: FileTree['walk'];
  readonly names?: FileTree['names'];
  readonly entries?: FileTree['entries'];

  constructor(tree: FileTree) {
    this.#tree = tree;
    if (tree.walk) {
      this.walk = (path, names) => {
        this.#charge([...path, ...names]);
        return tree.walk?.(path, names) ?? [];
      };
    }
    const { names, entries } = tree;
    if (!names || !entries) return;
    this.names = (path) => {
      this.#charge(path);
      const found = names.call(tree, path);
      this.#work += NAME_WORK * found.length;
      return found;
    };
    this.entries = (path, wanted) => {
      this.#charge(path);
      this.#work += CALL_WORK * wanted.length;
      return entries.call(tree, path, wanted);
    };
  }

  get isReadOnly(): boolean {
    return this.#tree.isReadOnly;
  }

  /** The work since the last call. */
  takeWork(): number {
    const work = this.#work;
    this.#work = 0;
    return work;
  }

  stat(path: Path): FileStat {
    this.#charge(path);
    return this.#tree.stat(path);
  }

  list(path: Path): DirectoryEntry[] {
    this.#charge(path);
    const entries = this.#tree.list(path);
    this.#work += CALL_WORK * entries.length;
    return entries;
  }

  open(path: Path, how: OpenHow): OpenFile {
    this.#charge(path);
    return this.#tree.open(path, how);
  }

  makeDirectory(path: Path, mode: number): void {
    this.#charge(path);
    this.#tree.makeDirectory(path, mode);
  }

  makeLink(path: Path, target: string): void {
    this.#charge(path);
    this.#tree.makeLink(path, target);
  }

  readLink(path: Path): string {
    this.#charge(path);
    return this.#tree.readLink(path);
  }

  link(from: Path, to: Path): void {
    this.#charge(from, to);
    this.#tree.link(from, to);
  }

  rename(from: Path, to: Path): void {
    this.#charge(from, to);
    this.#tree.rename(from, to);
  }

  remove(path: Path, isDirectory: boolean): void {
    this.#charge(path);
    this.#tree.remove(path, isDirectory);
  }

  change(path: Path, changes: FileChanges): void {
    this.#charge(path);
    this.#tree.change(path, changes);
  }

  space(): Space {
    return this.#tree.space();
  }

  #charge(...paths: Path[]): void {
    for (const { length } of paths) this.#work += CALL_WORK * (1 + length);
  }
}
