/** Writes initramfs archives: the "newc" format of Linux Documentation/driver-api/early-userspace/buffer-format.rst. */

export interface ArchiveFile {
  path: string;
  /** Type and permission bits. */
  mode: number;
  bytes?: Uint8Array;
}

export const DIRECTORY = 0o040755;
export const EXECUTABLE = 0o100755;

const MAGIC = '070701';
const TRAILER: ArchiveFile = { path: 'TRAILER!!!', mode: 0 };

export function cpio(files: readonly ArchiveFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const text = new TextEncoder();
  const push = (bytes: Uint8Array): void => {
    parts.push(bytes, new Uint8Array(-bytes.length & 3));
  };
  for (const [index, { path, mode, bytes = new Uint8Array() }] of [...files, TRAILER].entries()) {
    const name = text.encode(`${path}\0`);
    const fields = [index + 1, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
    const header = text.encode(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
    push(new Uint8Array([...header, ...name]));
    push(bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}
