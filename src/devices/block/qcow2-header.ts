/**
 * The header of a qcow2 image, versions 2 and 3, and its snapshot table (QEMU, docs/interop/qcow2.txt, "Header", "Header
 * extensions" and "Snapshots"). Everything is checked before it is used; what is wrong is an ImageError.
 */
import type { ByteFile } from './byte-file.ts';
import { hex, ImageError } from './image-error.ts';

export const QCOW2_MAGIC = 0x514649fb;
/** Incompatible feature bits. */
export const Incompatible = { DIRTY: 1, CORRUPT: 2, DATA_FILE: 4, COMPRESSION: 8, EXTENDED_L2: 16 } as const;
/** Where in the header the fields are that a commit changes. */
export const HeaderField = { L1_SIZE: 36, L1_OFFSET: 40, TABLE_OFFSET: 48, TABLE_CLUSTERS: 56, FEATURES: 72 } as const;

const V2_BYTES = 72;
const V3_BYTES = 104;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const MAX_L1_BYTES = 32 << 20;
const MAX_TABLE_BYTES = 8 << 20;
const MAX_SNAPSHOTS = 65536;
const MAX_SNAPSHOT_BYTES = 64 << 20;
const MAX_BACKING_NAME = 1023;

export interface Snapshot {
  id: string;
  name: string;
  l1Offset: number;
  l1Size: number;
  /** Bytes of the disk then. */
  capacity: number;
}

export interface Qcow2Header {
  version: 2 | 3;
  clusterBits: number;
  clusterSize: number;
  /** Bytes of the disk. */
  capacity: number;
  l1Offset: number;
  l1Size: number;
  /** Refcount table. */
  tableOffset: number;
  tableClusters: number;
  /** Refcounts have 2^order bits. */
  refcountOrder: number;
  incompatible: number;
  hasAutoclear: boolean;
  compression: 'zlib' | 'zstd';
  backingName: string | null;
  backingFormat: string | null;
  /** Bytes of the snapshot table. */
  snapshotsOffset: number;
  snapshotsBytes: number;
  snapshots: Snapshot[];
}

/** True for the first bytes of a qcow2 image. */
export function isQcow2(file: ByteFile): boolean {
  const start = new Uint8Array(4);
  file.read(0, start);
  return new DataView(start.buffer).getUint32(0) === QCOW2_MAGIC;
}

/** Reads and checks the header. Throws ImageError. */
export function readHeader(file: ByteFile): Qcow2Header {
  const bytes = new Uint8Array(V3_BYTES);
  file.read(0, bytes);
  const view = new DataView(bytes.buffer);
  const fail = (text: string): never => {
    throw new ImageError(`${file.name}: ${text}`);
  };
  const number = (offset: number, field: string, max: number, min = 0): number => {
    const value = view.getUint32(offset);
    if (value < min || value > max) fail(`${field} is ${value}; the limits are ${min} and ${max}`);
    return value;
  };
  const place = (offset: number, field: string): number => {
    const value = view.getBigUint64(offset);
    if (value >= BigInt(file.size)) fail(`${field} is ${hex(value)}; the file has ${hex(file.size)} bytes`);
    return Number(value);
  };
  if (file.size < V2_BYTES) fail(`the file has ${file.size} bytes; a qcow2 header has ${V2_BYTES}`);
  if (view.getUint32(0) !== QCOW2_MAGIC) fail(`the magic is ${hex(view.getUint32(0))}; qcow2 has ${hex(QCOW2_MAGIC)}`);
  const version = number(4, 'version', 3, 2) as 2 | 3;
  const clusterBits = number(20, 'cluster_bits', 21, 9);
  const clusterSize = 2 ** clusterBits;
  const aligned = (offset: number, field: string): number => {
    const value = place(offset, field);
    if (value % clusterSize !== 0)
      fail(`${field} is ${hex(value)}; clusters begin at multiples of ${hex(clusterSize)}`);
    return value;
  };
  if (view.getUint32(32) !== 0) fail(`crypt_method is ${view.getUint32(32)}; encrypted images are not supported`);
  const size = view.getBigUint64(24);
  const l1Size = number(HeaderField.L1_SIZE, 'l1_size', MAX_L1_BYTES / 8);
  const reach = BigInt(l1Size) << BigInt(2 * clusterBits - 3);
  if (size > reach) fail(`size is ${hex(size)}; ${l1Size} entries of the L1 table reach ${hex(reach)}`);
  if (size > BigInt(Number.MAX_SAFE_INTEGER))
    fail(`size is ${hex(size)}; the limit is ${hex(Number.MAX_SAFE_INTEGER)}`);
  const [incompatible, headerBytes, refcountOrder] = version === 2 ? [0, V2_BYTES, 4] : readVersion3(view, file, fail);
  const isZstd = (incompatible & Incompatible.COMPRESSION) !== 0 && headerBytes > V3_BYTES;
  const header: Qcow2Header = {
    version,
    clusterBits,
    clusterSize,
    capacity: Math.ceil(Number(size) / 512) * 512,
    l1Offset: l1Size === 0 ? 0 : aligned(HeaderField.L1_OFFSET, 'l1_table_offset'),
    l1Size,
    tableOffset: aligned(HeaderField.TABLE_OFFSET, 'refcount_table_offset'),
    tableClusters: number(HeaderField.TABLE_CLUSTERS, 'refcount_table_clusters', MAX_TABLE_BYTES / clusterSize, 1),
    refcountOrder,
    incompatible,
    hasAutoclear: version === 3 && view.getBigUint64(88) !== 0n,
    compression: isZstd ? readCompression(file, fail) : 'zlib',
    backingName: null,
    backingFormat: null,
    snapshotsOffset: 0,
    snapshotsBytes: 0,
    snapshots: [],
  };
  const { l1Offset, tableOffset, tableClusters } = header;
  if (l1Offset + 8 * l1Size > file.size) fail(`the L1 table ends beyond the file (${hex(l1Offset + 8 * l1Size)})`);
  if (tableOffset + tableClusters * clusterSize > file.size) fail('the refcount table ends beyond the file');
  const backing = view.getBigUint64(8);
  if (backing !== 0n) {
    const length = number(16, 'backing_file_size', MAX_BACKING_NAME, 1);
    if (backing + BigInt(length) > BigInt(Math.min(clusterSize, file.size))) {
      fail(`backing_file_offset is ${hex(backing)}; the name must lie in the first cluster`);
    }
    header.backingName = text(file, Number(backing), length);
  }
  const end = backing === 0n ? Math.min(clusterSize, file.size) : Number(backing);
  header.backingFormat = readBackingFormat(file, headerBytes, end, fail);
  const snapshots = number(60, 'nb_snapshots', MAX_SNAPSHOTS);
  if (snapshots > 0) readSnapshots(file, header, snapshots, aligned(64, 'snapshots_offset'), fail);
  return header;
}

type Fail = (text: string) => never;

function readVersion3(view: DataView, file: ByteFile, fail: Fail): [number, number, number] {
  if (file.size < V3_BYTES) fail(`the file has ${file.size} bytes; a qcow2 header of version 3 has ${V3_BYTES}`);
  const features = view.getBigUint64(HeaderField.FEATURES);
  const unknown = features & ~0x1fn;
  if (unknown !== 0n) fail(`incompatible_features has unknown bits (${hex(unknown)})`);
  const incompatible = Number(features);
  if (incompatible & Incompatible.DATA_FILE) fail('the data lies in an external file, which is not supported');
  if (incompatible & Incompatible.EXTENDED_L2) fail('extended L2 entries (subclusters) are not supported');
  const order = view.getUint32(96);
  if (order > 6) fail(`refcount_order is ${order}; the limit is 6`);
  const headerBytes = view.getUint32(100);
  if (headerBytes < V3_BYTES || headerBytes > 2 ** view.getUint32(20)) {
    fail(`header_length is ${headerBytes}; the limits are ${V3_BYTES} and the cluster size`);
  }
  return [incompatible, headerBytes, order];
}

function readCompression(file: ByteFile, fail: Fail): 'zlib' | 'zstd' {
  const type = new Uint8Array(1);
  file.read(V3_BYTES, type);
  if (type[0] > 1) fail(`compression_type is ${type[0]}; there are 0 (zlib) and 1 (zstd)`);
  return type[0] === 1 ? 'zstd' : 'zlib';
}

function readBackingFormat(file: ByteFile, start: number, end: number, fail: Fail): string | null {
  let format: string | null = null;
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  for (let at = start; at + 8 <= end; ) {
    file.read(at, head);
    const [type, length] = [view.getUint32(0), view.getUint32(4)];
    if (type === 0) break;
    if (at + 8 + length > end) fail(`header extension ${hex(type)} has ${length} bytes; ${end - at - 8} are left`);
    if (type === EXTENSION_BACKING_FORMAT) format = text(file, at + 8, length);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return format;
}

function readSnapshots(file: ByteFile, header: Qcow2Header, count: number, offset: number, fail: Fail): void {
  const head = new Uint8Array(56);
  const view = new DataView(head.buffer);
  // Entries begin at multiples of 8; the last one may end unpadded, with the file.
  let end = offset;
  let l1Bytes = 0;
  for (let index = 0; index < count; index++) {
    const at = Math.ceil(end / 8) * 8;
    file.read(at, head);
    const [idBytes, nameBytes, extraBytes] = [view.getUint16(12), view.getUint16(14), view.getUint32(36)];
    const strings = at + 40 + extraBytes;
    end = strings + idBytes + nameBytes;
    const l1Offset = view.getBigUint64(0);
    const l1Size = view.getUint32(8);
    if (end > file.size || end - offset > MAX_SNAPSHOT_BYTES) fail(`entry ${index} of the snapshot table is too long`);
    l1Bytes += 8 * l1Size;
    if (l1Offset + BigInt(8 * l1Size) > BigInt(file.size) || l1Bytes > file.size || l1Size > MAX_L1_BYTES / 8) {
      fail(`snapshot ${index} has ${l1Size} L1 entries at ${hex(l1Offset)}; the file has ${hex(file.size)} bytes`);
    }
    const capacity = extraBytes >= 16 ? Number(view.getBigUint64(48)) : header.capacity;
    header.snapshots.push({
      id: text(file, strings, idBytes),
      name: text(file, strings + idBytes, nameBytes),
      l1Offset: Number(l1Offset),
      l1Size,
      capacity: Math.min(Math.ceil(capacity / 512) * 512, l1Size * 2 ** (2 * header.clusterBits - 3)),
    });
  }
  header.snapshotsOffset = offset;
  header.snapshotsBytes = end - offset;
}

function text(file: ByteFile, offset: number, length: number): string {
  const bytes = new Uint8Array(length);
  file.read(offset, bytes);
  return new TextDecoder().decode(bytes);
}
