/** A walk: what lies at each of some steps through a tree. */
import { step } from './fids.ts';
import type { FileStat, FileTree, Path } from './file-tree.ts';

/** What lies at each step, up to the first that leads nowhere. Throws FileError if that is the first of all. */
export function walk(tree: FileTree, from: Path, names: readonly string[]): FileStat[] {
  const paths: Path[] = [];
  untilError(names, paths, (name) => step(paths.at(-1) ?? from, name));
  const isDown = !names.some((name) => name === '.' || name === '..');
  if (tree.walk && isDown && paths.length > 1) return tree.walk(from, names.slice(0, paths.length));
  const found: FileStat[] = [];
  untilError(paths, found, (path) => tree.stat(path));
  return found;
}

/** Adds what `work` makes of each to `into`; an error ends that, and is thrown where there is nothing before it. */
export function untilError<T, U>(each: readonly T[], into: U[], work: (one: T) => U): void {
  try {
    for (const one of each) into.push(work(one));
  } catch (error) {
    if (into.length === 0) throw error;
  }
}
