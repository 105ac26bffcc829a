/** Folders of a tree, opened for reading: with the two dots, and looked at in pieces where the tree can do so. */
import { type DirectoryEntry, Errno, FileError, type FileStat, type FileTree, type Path } from './file-tree.ts';
import { Folder } from './listings.ts';

/** The folder at `path` as it is now. */
export function openFolder(tree: FileTree, path: Path): Folder {
  if (!tree.names || !tree.entries) return Folder.of([...dots(tree, path), ...tree.list(path)]);
  return namedFolder(tree, path, ['.', '..', ...tree.names(path)]);
}

/** A folder whose files are looked at when an answer needs them. Throws FileError EIO for a tree that cannot do so. */
export function namedFolder(tree: FileTree, path: Path, names: readonly string[]): Folder {
  if (!tree.entries) throw new FileError(Errno.EIO);
  const own = dots(tree, path);
  const files = tree.entries.bind(tree, path);
  return new Folder(names, (from, to) => [
    ...own.slice(from, to),
    ...files(names.slice(Math.max(from, own.length), to)),
  ]);
}

function dots(tree: FileTree, path: Path): DirectoryEntry[] {
  return [
    { name: '.', ...pick(tree.stat(path)) },
    { name: '..', ...pick(tree.stat(path.slice(0, -1))) },
  ];
}

const pick = ({ id, mode }: FileStat): { id: bigint; mode: number } => ({ id, mode });
