/**
 * Images in formats of others, which must not be taken for the bytes of a disk: the first write would destroy them. By the
 * marks that their specifications give, and that qemu-img looks for.
 */
import type { ByteFile } from './byte-file.ts';

interface Mark {
  readonly name: string;
  readonly bytes: string;
  /** From the start, or from the end where negative. */
  readonly at: number;
}

const FOOTER = -512;
const MARKS: readonly Mark[] = [
  { name: 'VMDK', bytes: 'KDMV', at: 0 },
  { name: 'VMDK', bytes: 'COWD', at: 0 },
  { name: 'VMDK', bytes: '# Disk DescriptorFile', at: 0 },
  { name: 'VDI', bytes: '\x7f\x10\xda\xbe', at: 0x40 },
  { name: 'VHDX', bytes: 'vhdxfile', at: 0 },
  { name: 'VHD', bytes: 'conectix', at: 0 },
  { name: 'VHD', bytes: 'conectix', at: FOOTER },
  { name: 'QED', bytes: 'QED\0', at: 0 },
  { name: 'Parallels', bytes: 'WithoutFreeSpace', at: 0 },
  { name: 'Parallels', bytes: 'WithouFreSpacExt', at: 0 },
  { name: 'LUKS', bytes: 'LUKS\xba\xbe', at: 0 },
  { name: 'DMG', bytes: 'koly', at: FOOTER },
  { name: 'gzip', bytes: '\x1f\x8b\x08', at: 0 },
  { name: 'xz', bytes: '\xfd7zXZ\0', at: 0 },
  { name: 'zstd', bytes: '\x28\xb5\x2f\xfd', at: 0 },
  { name: 'bzip2', bytes: 'BZh', at: 0 },
];

/** Name of the format that `file` is in, null where it may be a raw disk. */
export function foreignFormat(file: ByteFile): string | null {
  return MARKS.find((mark) => hasMark(file, mark))?.name ?? null;
}

function hasMark(file: ByteFile, { bytes, at }: Mark): boolean {
  const start = at < 0 ? file.size + at : at;
  if (start < 0 || start + bytes.length > file.size) return false;
  const found = new Uint8Array(bytes.length);
  file.read(start, found);
  return found.every((byte, n) => byte === bytes.charCodeAt(n));
}
