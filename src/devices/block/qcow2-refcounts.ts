/**
 * Which clusters of a qcow2 image are in use, and how often. In memory the counts are those of the image as it will be
 * after the next commit; a cluster that the committed image still refers to is not given out before that.
 */
import type { ByteFile } from './byte-file.ts';
import { ImageError } from './image-error.ts';
import type { Qcow2Header } from './qcow2-header.ts';
import { offsetIn } from './qcow2-map.ts';
import { Reserve } from './qcow2-reserve.ts';

const HIGHEST = 0xffff_ffff;
/** The L1 and the refcount table, of which most have one cluster. */
const TABLES_IN_RUNS = 2;

/** A count of 2^order bits; what does not fit into 32 bits is the highest that does. */
function getCount(view: DataView, index: number, order: number): number {
  switch (order) {
    case 6:
      return view.getUint32(8 * index) === 0 ? view.getUint32(8 * index + 4) : HIGHEST;
    case 5:
      return view.getUint32(4 * index);
    case 4:
      return view.getUint16(2 * index);
    default: {
      const bits = 1 << order;
      return (view.getUint8((index * bits) >> 3) >> ((index * bits) & 7)) & ((1 << bits) - 1);
    }
  }
}

/** `view` holds zeros. */
function setCount(view: DataView, index: number, order: number, count: number): void {
  if (order === 6) view.setUint32(8 * index + 4, count);
  else if (order === 5) view.setUint32(4 * index, count);
  else if (order === 4) view.setUint16(2 * index, count);
  else {
    const at = (index << order) >> 3;
    view.setUint8(at, view.getUint8(at) | (count << ((index << order) & 7)));
  }
}

export class Refcounts {
  readonly #file: ByteFile;
  readonly #order: number;
  readonly #clusterSize: number;
  readonly #perBlock: number;
  /** Offsets of the blocks, 0 if there is none. */
  readonly #blocks: number[];
  #tableCluster: number;
  #tableClusters: number;
  #counts: Uint32Array;
  /** Clusters that `#counts` speaks of; after them all are free. */
  #known: number;
  readonly #dirty = new Set<number>();
  readonly #freed = new Set<number>();
  /** No cluster before it is free. */
  #cursor = 0;
  readonly #reserve: Reserve;
  /** Clusters that the last commits needed for tables: as many are kept for the next one. */
  #needed = 0;

  /**
   * Takes the counts of the image, which must not be lower than `references`; higher ones are left alone, for they may
   * belong to what we know nothing about. With `rebuild` the references are the truth.
   */
  constructor(file: ByteFile, header: Qcow2Header, references: Uint32Array, rebuild: boolean) {
    this.#file = file;
    this.#order = header.refcountOrder;
    this.#clusterSize = header.clusterSize;
    this.#perBlock = (8 * header.clusterSize) >> header.refcountOrder;
    this.#tableCluster = header.tableOffset / header.clusterSize;
    this.#tableClusters = header.tableClusters;
    this.#counts = references;
    this.#known = references.length;
    this.#reserve = new Reserve(file, header.clusterSize, (clusters) => this.#findRun(clusters));
    const table = this.#read(header.tableOffset, header.tableClusters * header.clusterSize);
    this.#blocks = Array.from({ length: table.byteLength / 8 }, (_, index) => offsetIn(table, index));
    if (rebuild) for (let index = 0; index * this.#perBlock < this.#known; index++) this.#dirty.add(index);
    else this.#compare();
  }

  /** True if a commit has something to write. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Clusters that wait for a commit before they can be used again. */
  get waiting(): number {
    return this.#freed.size;
  }

  count(offset: number): number {
    return this.#counts[offset / this.#clusterSize] ?? 0;
  }

  /**
   * Sets aside what a commit with so many L2 tables and an L1 table of so many clusters needs. Throws what the file says
   * if the host has no room.
   */
  reserve(tables: number, l1Clusters: number): void {
    const blocks = (): number => Math.ceil(this.#known / this.#perBlock) + 1;
    this.#reserve.holdRun('l1', l1Clusters);
    for (;;) {
      this.#reserve.holdRun('refcounts', Math.ceil((8 * blocks()) / this.#clusterSize));
      if (this.#reserve.singles >= tables + blocks()) break;
      this.#reserve.addSingle();
    }
    this.#needed = tables + blocks() + TABLES_IN_RUNS;
  }

  /** Takes a cluster for a table. Returns its offset. */
  allocateTable(): number {
    return this.#take(this.#reserve.takeSingle(), 1);
  }

  /** Takes clusters for a table that lies together. Returns the offset of the first. */
  allocateRun(table: 'l1' | 'refcounts', clusters: number): number {
    return this.#take(this.#reserve.takeRun(table, clusters), clusters);
  }

  /** Gives back what was just allocated and never became part of the image. */
  cancel(offset: number, bytes: number): void {
    const first = offset / this.#clusterSize;
    for (let cluster = first; cluster < first + bytes / this.#clusterSize; cluster++) this.#change(cluster, -1);
    this.#cursor = Math.min(this.#cursor, first);
  }

  /** Takes up to `most` clusters that lie together, all of them with `exact`. Returns the offset of the first. */
  allocate(most: number, exact = false): { at: number; clusters: number } {
    const { first, clusters } = this.#findFree(most, exact);
    this.#grow(first + clusters);
    for (let cluster = first; cluster < first + clusters; cluster++) this.#change(cluster, 1);
    return { at: first * this.#clusterSize, clusters };
  }

  /** Takes one reference from every cluster that `bytes` from `offset` on touch. */
  release(offset: number, bytes: number): void {
    const last = Math.floor((offset + bytes - 1) / this.#clusterSize);
    for (let cluster = Math.floor(offset / this.#clusterSize); cluster <= last; cluster++) {
      this.#change(cluster, -1);
      if (this.#counts[cluster] === 0) this.#freed.add(cluster);
    }
  }

  /** Writes every changed block, and the table, to a new place. Returns where the table is. */
  commit(): { offset: number; clusters: number } {
    const size = this.#clusterSize;
    const moved = new Set<number>();
    this.release(this.#tableCluster * size, this.#tableClusters * size);
    let table = { at: 0, clusters: 0 };
    for (;;) {
      // Every move changes counts, which may lie in further blocks.
      for (const index of this.#dirty) {
        if (moved.has(index)) continue;
        moved.add(index);
        const old = this.#blocks[index] ?? 0;
        this.#blocks[index] = this.allocateTable();
        if (old !== 0) this.release(old, size);
      }
      const needed = Math.ceil((8 * this.#blocks.length) / size);
      if (table.clusters < needed) {
        if (table.at !== 0) this.release(table.at, table.clusters * size);
        table = { at: this.allocateRun('refcounts', needed), clusters: needed };
      }
      if (moved.size === this.#dirty.size) break;
    }
    for (const index of moved) this.#file.write(this.#blocks[index], this.#block(index));
    const bytes = new DataView(new ArrayBuffer(table.clusters * size));
    for (const [index, at] of this.#blocks.entries()) bytes.setBigUint64(8 * index, BigInt(at ?? 0));
    this.#file.write(table.at, new Uint8Array(bytes.buffer));
    this.#tableCluster = table.at / size;
    this.#tableClusters = table.clusters;
    this.#dirty.clear();
    return { offset: table.at, clusters: table.clusters };
  }

  /** The commit is on the medium: what the image before referred to is free now. */
  committed(): void {
    for (const cluster of this.#freed) {
      if (!this.#reserve.takeBack(cluster, this.#needed)) this.#cursor = Math.min(this.#cursor, cluster);
    }
    this.#freed.clear();
  }

  #isFree(cluster: number): boolean {
    if (this.#reserve.has(cluster)) return false;
    return cluster >= this.#known || (this.#counts[cluster] === 0 && !this.#freed.has(cluster));
  }

  #findFree(most: number, exact: boolean): { first: number; clusters: number } {
    let first = this.#cursor;
    while (!this.#isFree(first)) first++;
    this.#cursor = first;
    let clusters = 1;
    while (clusters < most) {
      if (this.#isFree(first + clusters)) clusters++;
      else if (!exact) break;
      else {
        first += clusters + 1;
        while (!this.#isFree(first)) first++;
        clusters = 1;
      }
    }
    return { first, clusters };
  }

  #findRun(clusters: number): number {
    const { first } = this.#findFree(clusters, true);
    this.#grow(first + clusters);
    return first;
  }

  /** Takes what the reserve gave, or what is free where that was nothing. */
  #take(first: number | undefined, clusters: number): number {
    if (first === undefined) return this.allocate(clusters, true).at;
    for (let cluster = first; cluster < first + clusters; cluster++) this.#change(cluster, 1);
    return first * this.#clusterSize;
  }

  #change(cluster: number, by: number): void {
    this.#counts[cluster] += by;
    this.#dirty.add(Math.floor(cluster / this.#perBlock));
  }

  #grow(clusters: number): void {
    if (clusters > this.#counts.length) {
      const grown = new Uint32Array(Math.max(clusters, Math.ceil(1.5 * this.#counts.length)));
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#known = Math.max(this.#known, clusters);
  }

  /** A block as it is to be written. */
  #block(index: number): Uint8Array {
    const view = new DataView(new ArrayBuffer(this.#clusterSize));
    const first = index * this.#perBlock;
    const end = Math.min(this.#perBlock, this.#known - first);
    for (let at = 0; at < end; at++) {
      const count = this.#counts[first + at];
      if (count !== 0) setCount(view, at, this.#order, count);
    }
    return new Uint8Array(view.buffer);
  }

  #compare(): void {
    for (let index = 0; index * this.#perBlock < this.#known; index++) {
      const at = this.#blocks[index] ?? 0;
      const view = at === 0 ? null : this.#read(at, this.#clusterSize);
      const first = index * this.#perBlock;
      const end = Math.min(this.#perBlock, this.#known - first);
      for (let cluster = first; cluster < first + end; cluster++) {
        const count = view ? getCount(view, cluster - first, this.#order) : 0;
        const references = this.#counts[cluster];
        if (count < references) {
          throw new ImageError(
            `${this.#file.name}: the refcount of cluster ${cluster} is ${count}, with ${references} references to it; ` +
              'such an image can be read only (qemu-img check -r all repairs it)',
          );
        }
        this.#counts[cluster] = count;
      }
    }
  }

  #read(at: number, bytes: number): DataView {
    const content = new Uint8Array(bytes);
    this.#file.read(at, content);
    return new DataView(content.buffer);
  }
}
