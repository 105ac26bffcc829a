/** Makes an empty qcow2 image of version 3, whose clusters have 64 KiB. */
import { check, checkOptions, isNumber, isObject, isOneOf, isText } from '../../checks.ts';
import { type ByteFile, isFile } from './byte-file.ts';
import { QCOW2_MAGIC } from './qcow2-header.ts';

const CLUSTER_BITS = 16;
const CLUSTER = 2 ** CLUSTER_BITS;
const HEADER_BYTES = 104;
const REFCOUNT_ORDER = 4;
/** A disk's bytes for one entry of the L1 table. */
const L1_REACH = (CLUSTER * CLUSTER) / 8;
const BACKING_FORMAT = 0xe2792aca;
const MAX_CAPACITY = 2 ** 50;
const isBacking = isObject([], { name: isText, format: isOneOf('raw', 'qcow2') });

export interface NewImage {
  /** Bytes of the disk, a multiple of 512. */
  capacity: number;
  /** What is read where nothing was written. */
  backing?: { name: string; format: 'raw' | 'qcow2' };
}

/** Fills an empty file. Throws RangeError for a capacity that is not possible. */
export function createQcow2(file: ByteFile, image: NewImage): void {
  check('createQcow2: file', file, isFile);
  checkOptions('createQcow2', image, { capacity: isNumber, backing: isBacking });
  const { capacity, backing } = image;
  if (!Number.isInteger(capacity) || capacity < 0 || capacity > MAX_CAPACITY || capacity % 512 !== 0) {
    throw new RangeError(`a disk of ${capacity} bytes: the limit is ${MAX_CAPACITY}, in multiples of 512`);
  }
  const l1Size = Math.max(1, Math.ceil(capacity / L1_REACH));
  const l1Clusters = Math.ceil((8 * l1Size) / CLUSTER);
  const [table, block, l1] = [CLUSTER, 2 * CLUSTER, 3 * CLUSTER];
  const clusters = 3 + l1Clusters;
  const bytes = new Uint8Array(clusters * CLUSTER);
  const view = new DataView(bytes.buffer);
  const words: [number, number][] = [
    [0, QCOW2_MAGIC],
    [4, 3],
    [20, CLUSTER_BITS],
    [36, l1Size],
    [56, 1],
    [96, REFCOUNT_ORDER],
    [100, HEADER_BYTES],
  ];
  for (const [at, value] of words) view.setUint32(at, value);
  view.setBigUint64(24, BigInt(capacity));
  view.setBigUint64(40, BigInt(l1));
  view.setBigUint64(48, BigInt(table));
  view.setBigUint64(table, BigInt(block));
  for (let cluster = 0; cluster < clusters; cluster++) view.setUint16(block + 2 * cluster, 1);
  if (backing) {
    const [name, format] = [backing.name, backing.format].map((text) => new TextEncoder().encode(text));
    view.setUint32(HEADER_BYTES, BACKING_FORMAT);
    view.setUint32(HEADER_BYTES + 4, format.length);
    bytes.set(format, HEADER_BYTES + 8);
    const at = HEADER_BYTES + 8 + 8 + 8;
    view.setBigUint64(8, BigInt(at));
    view.setUint32(16, name.length);
    bytes.set(name, at);
  }
  file.write(0, bytes);
  file.flush();
}
