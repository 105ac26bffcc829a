/**
 * A disk in a qcow2 image (QEMU, docs/interop/qcow2.txt). What the file holds is always one whole image: changed tables
 * are written to free places, and one write of the header makes them the image. docs/decisions/0010 says why.
 */
import type { ByteFile } from './byte-file.ts';
import type { Disk } from './disk.ts';
import { hex, ImageError } from './image-error.ts';
import { inflate } from './inflate.ts';
import { HeaderField, Incompatible, type Qcow2Header, readHeader } from './qcow2-header.ts';
import { type Cluster, ClusterMap } from './qcow2-map.ts';
import { Refcounts } from './qcow2-refcounts.ts';
import { countReferences } from './qcow2-references.ts';
import { zstdFrameLength } from './zstd-frame.ts';

const MAX_DIRTY_TABLES = 32;
const MAX_WAITING_CLUSTERS = 4096;
const FEATURES_BYTES = 24;

/** Unpacks one compressed cluster to exactly `length` bytes; throws if that is not possible. */
export type Unpack = (packed: Uint8Array, length: number) => Uint8Array;

export interface Qcow2Options {
  isReadOnly?: boolean;
  /** The disk below, for an image that names one. It is closed with this one. */
  backing?: Disk | null;
  /** Name or id of an internal snapshot to show instead of the disk as it is; read-only. */
  snapshot?: string;
  /** Faster than what is here for every host. */
  unzlib?: Unpack;
  /** For images with compression by zstd. */
  unzstd?: Unpack;
}

export class Qcow2Disk implements Disk {
  readonly answersAtOnce = true;
  readonly header: Qcow2Header;
  readonly capacity: number;
  readonly isReadOnly: boolean;
  readonly #file: ByteFile;
  readonly #backing: Disk | null;
  readonly #map: ClusterMap;
  /** Null for a disk that is only read. */
  readonly #refcounts: Refcounts | null;
  readonly #unzlib: Unpack;
  readonly #unzstd: Unpack | undefined;
  readonly #size: number;
  /** Why nothing more can be written: a commit failed, and the file holds the image before it. */
  #failure: unknown = null;
  /** The compressed cluster that was read last. */
  #unpacked = { at: -1, bytes: new Uint8Array(0) };

  /**
   * Checks the header, and for writing all tables: an image with a damaged refcount could lose data. Throws ImageError.
   * An image that its last user left dirty is repaired.
   */
  constructor(
    file: ByteFile,
    { isReadOnly = false, backing = null, snapshot, unzlib = inflate, unzstd }: Qcow2Options = {},
  ) {
    const header = readHeader(file);
    this.header = header;
    this.#file = file;
    this.#backing = backing;
    this.#size = header.clusterSize;
    this.isReadOnly = isReadOnly || file.isReadOnly || snapshot !== undefined;
    this.#unzlib = unzlib;
    this.#unzstd = unzstd;
    if (snapshot === undefined) {
      this.#map = new ClusterMap(file, header);
      this.capacity = header.capacity;
    } else {
      const { l1Offset, l1Size, capacity } = findSnapshot(file, header, snapshot);
      this.#map = new ClusterMap(file, header, l1Offset, l1Size);
      this.capacity = capacity;
    }
    this.#refcounts = this.isReadOnly ? null : this.#openForWriting();
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const within = at % this.#size;
      const found = this.#map.lookup(Math.floor(at / this.#size));
      const length = Math.min(this.#reach(found, at), into.length - done);
      const part = into.subarray(done, done + length);
      if (found.kind === 'data') this.#file.read(found.at + within, part);
      else if (found.kind === 'compressed') part.set(this.#compressed(found).subarray(within, within + length));
      else if (found.kind === 'zero') part.fill(0);
      else this.#readBacking(at, part);
      done += length;
    }
  }

  write(offset: number, from: Uint8Array): void {
    const refcounts = this.#writable();
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const within = at % this.#size;
      const cluster = Math.floor(at / this.#size);
      const found = this.#map.lookup(cluster);
      const left = from.length - done;
      let length: number;
      if (found.kind === 'data' && this.#isOwn(found)) {
        length = Math.min(this.#reach(found, at), left);
        this.#file.write(found.at + within, from.subarray(done, done + length));
      } else if (within === 0 && left >= this.#size && !this.#isKept(found)) {
        this.#makeRoom(refcounts, left);
        length = this.#writeFresh(refcounts, cluster, from.subarray(done, done + left - (left % this.#size)));
      } else {
        length = Math.min(this.#size - within, left);
        this.#makeRoom(refcounts, length);
        this.#writePart(refcounts, cluster, found, within, from.subarray(done, done + length));
      }
      done += length;
    }
    this.#limit();
  }

  flush(): void {
    if (this.#refcounts?.isDirty || this.#map.dirtyTables > 0) this.#commit(this.#writable());
    else if (!this.isReadOnly) this.#file.flush();
  }

  /** What is discarded reads as zeros; in version 2 above a backing file it stays. */
  discard(offset: number, length: number): void {
    const end = offset + length;
    const last = end >= this.capacity ? Math.ceil(end / this.#size) : Math.floor(end / this.#size);
    this.#clear(Math.ceil(offset / this.#size), last, true);
  }

  writeZeroes(offset: number, length: number, mayUnmap: boolean): void {
    const end = offset + length;
    const first = Math.ceil(offset / this.#size);
    const last = Math.floor(end / this.#size);
    if (first >= last || !this.#canZero) this.#writeZeroBytes(offset, end);
    else {
      this.#writeZeroBytes(offset, first * this.#size);
      this.#clear(first, last, mayUnmap);
      this.#writeZeroBytes(last * this.#size, end);
    }
  }

  close(): void {
    try {
      this.flush();
    } finally {
      try {
        this.#file.close();
      } finally {
        this.#backing?.close();
      }
    }
  }

  #openForWriting(): Refcounts {
    const { header } = this;
    const file = this.#file;
    if (header.incompatible & Incompatible.CORRUPT) {
      throw new ImageError(`${file.name}: the image is marked corrupt and can be read only`);
    }
    const isDirty = (header.incompatible & Incompatible.DIRTY) !== 0;
    const refcounts = new Refcounts(file, header, countReferences(file, header), isDirty);
    if (isDirty || header.hasAutoclear) this.#commit(refcounts);
    return refcounts;
  }

  #writable(): Refcounts {
    if (!this.#refcounts) throw new Error(`${this.#file.name} is read-only`);
    if (this.#failure) throw this.#failure;
    return this.#refcounts;
  }

  /** Bytes from `at` on that follow each other in the file or are of one kind, at least to the cluster's end. */
  #reach(found: Cluster, at: number): number {
    const within = at % this.#size;
    let length = this.#size - within;
    if (found.kind !== 'data') return length;
    const isOwn = this.#isOwn(found);
    for (let next = Math.floor(at / this.#size) + 1; next * this.#size < this.capacity; next++) {
      const other = this.#map.lookup(next);
      if (other.kind !== 'data' || other.at !== found.at + within + length || this.#isOwn(other) !== isOwn) break;
      length += this.#size;
      if (length >= 1 << 20) break;
    }
    return length;
  }

  /** Nothing else refers to the cluster: it may be written where it is. */
  #isOwn({ at }: { at: number }): boolean {
    return this.#refcounts?.count(at) === 1;
  }

  /** A place is kept for a cluster of zeros. */
  #isKept(found: Cluster): found is { kind: 'zero'; at: number } {
    return found.kind === 'zero' && found.at !== 0 && this.#isOwn(found);
  }

  /** True if a cluster can be made zeros without writing them. */
  get #canZero(): boolean {
    return this.header.version === 3 || !this.#backing;
  }

  #readBacking(at: number, part: Uint8Array): void {
    const found = this.#backing ? Math.max(0, Math.min(part.length, this.#backing.capacity - at)) : 0;
    if (found > 0) this.#backing?.read(at, part.subarray(0, found));
    part.fill(0, found);
  }

  #compressed({ at, bytes }: { at: number; bytes: number }): Uint8Array {
    if (this.#unpacked.at !== at) {
      const packed = new Uint8Array(bytes);
      this.#file.read(at, packed);
      this.#unpacked = { at, bytes: this.#unpackCluster(at, packed) };
    }
    return this.#unpacked.bytes;
  }

  #unpackCluster(at: number, packed: Uint8Array): Uint8Array<ArrayBuffer> {
    const { compression } = this.header;
    const unpack = compression === 'zstd' ? this.#unzstd : this.#unzlib;
    const { name } = this.#file;
    if (!unpack) throw new ImageError(`${name}: the cluster is compressed by zstd, which cannot be unpacked here`);
    const length = compression === 'zstd' ? zstdFrameLength(packed) : packed.length;
    try {
      return new Uint8Array(unpack(packed.subarray(0, length), this.#size));
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      throw new ImageError(`${name}: the compressed cluster at ${hex(at)} is damaged: ${why}`);
    }
  }

  /** Writes whole clusters to new places, as many as lie together. Returns how many bytes that were. */
  #writeFresh(refcounts: Refcounts, cluster: number, from: Uint8Array): number {
    let wanted = 1;
    for (; wanted < from.length / this.#size; wanted++) {
      const next = this.#map.lookup(cluster + wanted);
      if (this.#isKept(next) || (next.kind === 'data' && this.#isOwn(next))) break;
    }
    const { at, clusters } = refcounts.allocate(wanted);
    const bytes = clusters * this.#size;
    this.#place(refcounts, at, from.subarray(0, bytes));
    for (let index = 0; index < clusters; index++) this.#replace(refcounts, cluster + index, at + index * this.#size);
    return bytes;
  }

  /** Writes a part of a cluster, the rest of which is what can be read there. */
  #writePart(refcounts: Refcounts, cluster: number, found: Cluster, within: number, from: Uint8Array): void {
    const whole = new Uint8Array(this.#size);
    this.read(cluster * this.#size, whole);
    whole.set(from, within);
    if (this.#isKept(found)) {
      this.#file.write(found.at, whole);
      this.#map.set(cluster, found.at);
      return;
    }
    const { at } = refcounts.allocate(1);
    this.#place(refcounts, at, whole);
    this.#replace(refcounts, cluster, at);
  }

  #place(refcounts: Refcounts, at: number, bytes: Uint8Array): void {
    try {
      this.#file.write(at, bytes);
    } catch (error) {
      refcounts.cancel(at, bytes.length);
      throw error;
    }
  }

  #replace(refcounts: Refcounts, cluster: number, at: number, readsAsZero = false): void {
    const old = this.#map.lookup(cluster);
    this.#map.set(cluster, at, readsAsZero);
    if (old.kind === 'none' || old.at === 0) return;
    if (old.kind === 'compressed') refcounts.release(old.at, old.bytes);
    else refcounts.release(old.at, this.#size);
  }

  /** Makes clusters read as zeros. */
  #clear(first: number, end: number, mayUnmap: boolean): void {
    const refcounts = this.#writable();
    if (!this.#canZero) return;
    for (let cluster = first; cluster < end; cluster++) {
      const isAbove = cluster * this.#size < (this.#backing?.capacity ?? 0);
      const unmapped = isAbove ? 0 : this.#map.unmappedFrom(cluster);
      if (unmapped > 0) {
        cluster += unmapped - 1;
        continue;
      }
      const found = this.#map.lookup(cluster);
      if (found.kind === 'none' ? !isAbove : found.kind === 'zero') continue;
      this.#makeRoom(refcounts, this.#size);
      if (found.kind === 'data' && !mayUnmap && this.header.version === 3 && this.#isOwn(found)) {
        this.#map.set(cluster, found.at, true);
      } else this.#replace(refcounts, cluster, 0, isAbove);
      this.#limit();
    }
  }

  #writeZeroBytes(offset: number, end: number): void {
    for (let at = offset; at < end; ) {
      const length = Math.min(this.#size - (at % this.#size), end - at);
      const { kind } = this.#map.lookup(Math.floor(at / this.#size));
      if (kind !== 'zero' && (kind !== 'none' || this.#backing)) this.write(at, new Uint8Array(length));
      at += length;
    }
  }

  /** Before tables for so many bytes of the disk change: what cannot be committed must not be accepted. */
  #makeRoom(refcounts: Refcounts, bytes: number): void {
    const tables = this.#map.dirtyTables + Math.ceil(bytes / (this.#size * (this.#size / 8))) + 1;
    refcounts.reserve(tables, Math.ceil(this.#map.l1.length / this.#size));
  }

  #limit(): void {
    const refcounts = this.#writable();
    if (this.#map.dirtyTables >= MAX_DIRTY_TABLES || refcounts.waiting >= MAX_WAITING_CLUSTERS) this.#commit(refcounts);
  }

  #commit(refcounts: Refcounts): void {
    try {
      this.#writeTables(refcounts);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Writes the changed tables to free places, then the header that refers to them. */
  #writeTables(refcounts: Refcounts): void {
    const { header } = this;
    const size = this.#size;
    this.#map.commit((old) => {
      if (old !== 0) refcounts.release(old, size);
      return refcounts.allocateTable();
    });
    const { l1 } = this.#map;
    if (l1.length > 0) {
      refcounts.release(header.l1Offset, l1.length);
      header.l1Offset = refcounts.allocateRun('l1', Math.ceil(l1.length / size));
      this.#file.write(header.l1Offset, l1);
    }
    const table = refcounts.commit();
    this.#file.flush();
    this.#writeHeader(table);
    this.#file.flush();
    refcounts.committed();
  }

  /** One write within one sector of the medium: it happens or it does not. */
  #writeHeader(table: { offset: number; clusters: number }): void {
    const { L1_OFFSET, TABLE_OFFSET, TABLE_CLUSTERS, FEATURES } = HeaderField;
    const end = this.header.version === 3 ? FEATURES + FEATURES_BYTES : TABLE_CLUSTERS + 4;
    const bytes = new Uint8Array(end - L1_OFFSET);
    this.#file.read(L1_OFFSET, bytes);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(this.header.l1Offset));
    view.setBigUint64(TABLE_OFFSET - L1_OFFSET, BigInt(table.offset));
    view.setUint32(TABLE_CLUSTERS - L1_OFFSET, table.clusters);
    if (this.header.version === 3) {
      view.setUint32(FEATURES - L1_OFFSET + 4, this.header.incompatible & ~Incompatible.DIRTY);
      view.setBigUint64(FEATURES - L1_OFFSET + 16, 0n);
    }
    this.#file.write(L1_OFFSET, bytes);
  }
}

function findSnapshot(file: ByteFile, header: Qcow2Header, wanted: string): Qcow2Header['snapshots'][number] {
  const { snapshots } = header;
  const found = snapshots.find(({ name }) => name === wanted) ?? snapshots.find(({ id }) => id === wanted);
  if (found) return found;
  const names = snapshots.map(({ name }) => name).join(', ');
  throw new ImageError(`${file.name}: there is no snapshot '${wanted}'; there are ${names || 'none'}`);
}
