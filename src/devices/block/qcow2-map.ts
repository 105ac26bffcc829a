/**
 * From a cluster of the disk to where its bytes lie: the L1 table and a cache of L2 tables of a qcow2 image (QEMU,
 * docs/interop/qcow2.txt, "Cluster mapping"). Changes stay in memory until they are committed.
 */
import type { ByteFile } from './byte-file.ts';
import { hex, ImageError } from './image-error.ts';
import type { Qcow2Header } from './qcow2-header.ts';

/** High halves of entries. */
const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
/** Low half of an L2 entry. */
const READS_AS_ZERO = 1;
const CACHE_BYTES = 8 << 20;
const TWO_32 = 2 ** 32;

export type Cluster =
  /** Nothing here: what the backing file has, or zeros. */
  | { kind: 'none' }
  /** Zeros; `at` is a place kept for it, or 0. */
  | { kind: 'zero'; at: number }
  | { kind: 'data'; at: number }
  | { kind: 'compressed'; at: number; bytes: number };

/** The offset in an entry of an L1, L2 or refcount table. */
export function offsetIn(view: DataView, index: number): number {
  return (view.getUint32(8 * index) & OFFSET_HIGH) * TWO_32 + ((view.getUint32(8 * index + 4) & ~511) >>> 0);
}

/** An L2 entry as what it means. */
export function clusterIn(view: DataView, index: number, clusterBits: number): Cluster {
  const [high, low] = [view.getUint32(8 * index), view.getUint32(8 * index + 4)];
  if (high & COMPRESSED) {
    const offsetBits = 62 - (clusterBits - 8);
    const at = (high & (2 ** (offsetBits - 32) - 1)) * TWO_32 + low;
    const sectors = ((high & (COMPRESSED - 1)) >>> (offsetBits - 32)) + 1;
    return { kind: 'compressed', at, bytes: 512 * sectors - (at % 512) };
  }
  const at = offsetIn(view, index);
  if (low & READS_AS_ZERO) return { kind: 'zero', at };
  return at === 0 ? { kind: 'none' } : { kind: 'data', at };
}

interface L2Table {
  view: DataView;
  isDirty: boolean;
}

export class ClusterMap {
  readonly #file: ByteFile;
  readonly #header: Qcow2Header;
  readonly #l1: DataView;
  readonly #perTable: number;
  readonly #most: number;
  readonly #tables = new Map<number, L2Table>();
  #dirty = 0;

  /** Reads the L1 table: the header has checked that it lies in the file. */
  constructor(file: ByteFile, header: Qcow2Header, l1Offset = header.l1Offset, l1Size = header.l1Size) {
    const bytes = new Uint8Array(8 * l1Size);
    file.read(l1Offset, bytes);
    this.#file = file;
    this.#header = header;
    this.#l1 = new DataView(bytes.buffer);
    this.#perTable = header.clusterSize / 8;
    this.#most = Math.max(16, CACHE_BYTES / header.clusterSize);
  }

  /** The L1 table as it is to be written. */
  get l1(): Uint8Array {
    return new Uint8Array(this.#l1.buffer);
  }

  /** L2 tables that were changed and not committed yet. */
  get dirtyTables(): number {
    return this.#dirty;
  }

  /** How many clusters from `cluster` on have no L2 table. */
  unmappedFrom(cluster: number): number {
    const index = Math.floor(cluster / this.#perTable);
    if (this.#tables.has(index) || offsetIn(this.#l1, index) !== 0) return 0;
    return (index + 1) * this.#perTable - cluster;
  }

  /** Throws ImageError if a table or the cluster lies where it cannot. */
  lookup(cluster: number): Cluster {
    const table = this.#table(Math.floor(cluster / this.#perTable));
    if (!table) return { kind: 'none' };
    const found = clusterIn(table.view, cluster % this.#perTable, this.#header.clusterBits);
    if (found.kind === 'none') return found;
    if (found.kind === 'compressed') this.#check(found.at, `compressed cluster ${cluster}`, 1);
    else if (found.at !== 0) this.#check(found.at, `cluster ${cluster}`);
    if (found.kind === 'zero' && this.#header.version === 2) {
      throw new ImageError(`${this.#file.name}: cluster ${cluster} reads as zeros, which version 2 does not have`);
    }
    return found;
  }

  /** Maps a cluster to the cluster of the file at `at`, which nothing else refers to, or to nothing with `at` 0. */
  set(cluster: number, at: number, readsAsZero = false): void {
    const index = Math.floor(cluster / this.#perTable);
    const table = this.#table(index) ?? this.#keep(index, new DataView(new ArrayBuffer(this.#header.clusterSize)));
    if (!table.isDirty) this.#dirty++;
    table.isDirty = true;
    const entry = 8 * (cluster % this.#perTable);
    table.view.setUint32(entry, (at === 0 ? 0 : COPIED) + Math.floor(at / TWO_32));
    table.view.setUint32(entry + 4, (at % TWO_32) + (readsAsZero ? READS_AS_ZERO : 0));
  }

  /** Writes every changed table to a new place. `place` gets the old one, or 0, and returns the new one. */
  commit(place: (old: number) => number): void {
    for (const [index, table] of this.#tables) {
      if (!table.isDirty) continue;
      const at = place(offsetIn(this.#l1, index));
      this.#file.write(at, new Uint8Array(table.view.buffer));
      this.#l1.setUint32(8 * index, COPIED + Math.floor(at / TWO_32));
      this.#l1.setUint32(8 * index + 4, at % TWO_32);
      table.isDirty = false;
    }
    this.#dirty = 0;
  }

  #table(index: number): L2Table | null {
    const cached = this.#tables.get(index);
    if (cached) return cached;
    const at = offsetIn(this.#l1, index);
    if (at === 0) return null;
    this.#check(at, `L2 table ${index}`);
    const bytes = new Uint8Array(this.#header.clusterSize);
    this.#file.read(at, bytes);
    return this.#keep(index, new DataView(bytes.buffer));
  }

  #keep(index: number, view: DataView): L2Table {
    if (this.#tables.size >= this.#most) {
      for (const [other, { isDirty }] of this.#tables) {
        if (isDirty) continue;
        this.#tables.delete(other);
        break;
      }
    }
    const table = { view, isDirty: false };
    this.#tables.set(index, table);
    return table;
  }

  #check(at: number, what: string, alignment = this.#header.clusterSize): void {
    if (at >= this.#file.size) {
      throw new ImageError(`${this.#file.name}: ${what} is at ${hex(at)}; the file has ${hex(this.#file.size)} bytes`);
    }
    if (at % alignment !== 0) {
      throw new ImageError(
        `${this.#file.name}: ${what} is at ${hex(at)}; clusters begin at multiples of ${hex(alignment)}`,
      );
    }
  }
}
