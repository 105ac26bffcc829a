/**
 * Clusters of a qcow2 file that are set aside for the tables of the next commit, zeros written to them so that the host
 * has given them room: a host that is full then refuses writes, and what was written before is kept all the same
 * (docs/decisions/0028).
 */
import type { ByteFile } from './byte-file.ts';

/** Clusters that lie together. */
interface Run {
  first: number;
  clusters: number;
}

export class Reserve {
  readonly #file: ByteFile;
  readonly #clusterSize: number;
  /** Finds so many free clusters that lie together; they are the reserve's from then on. */
  readonly #find: (clusters: number) => number;
  readonly #singles: number[] = [];
  readonly #runs = new Map<'l1' | 'refcounts', Run>();
  readonly #held = new Set<number>();
  /** What held tables since the image was opened, hence has room at the host. */
  readonly #used = new Set<number>();

  constructor(file: ByteFile, clusterSize: number, find: (clusters: number) => number) {
    this.#file = file;
    this.#clusterSize = clusterSize;
    this.#find = find;
  }

  has(cluster: number): boolean {
    return this.#held.has(cluster);
  }

  get singles(): number {
    return this.#singles.length;
  }

  /** Sets one more cluster aside. Throws what the file says where there is no room. */
  addSingle(): void {
    this.#singles.push(this.#setAside(1).first);
  }

  /** Sets clusters aside for a table that must lie together. */
  holdRun(table: 'l1' | 'refcounts', clusters: number): void {
    const run = this.#runs.get(table);
    if (clusters === 0 || (run && run.clusters >= clusters)) return;
    if (run) this.#drop(run);
    this.#runs.delete(table);
    const single = clusters === 1 ? this.#singles.pop() : undefined;
    this.#runs.set(table, single === undefined ? this.#setAside(clusters) : { first: single, clusters });
  }

  /** A cluster for a table; undefined if none is left. */
  takeSingle(): number | undefined {
    const cluster = this.#singles.pop();
    if (cluster !== undefined) this.#leave({ first: cluster, clusters: 1 });
    return cluster;
  }

  /** Clusters that lie together; undefined if so many are not held. */
  takeRun(table: 'l1' | 'refcounts', clusters: number): number | undefined {
    const run = this.#runs.get(table);
    if (!run || run.clusters < clusters) return undefined;
    this.#runs.delete(table);
    this.#leave({ first: run.first, clusters });
    this.#drop({ first: run.first + clusters, clusters: run.clusters - clusters });
    return run.first;
  }

  /** Takes back what held a table before the last commit, up to `most`. Returns whether it is the reserve's again. */
  takeBack(cluster: number, most: number): boolean {
    if (!this.#used.delete(cluster) || this.#singles.length >= most) return false;
    this.#held.add(cluster);
    this.#singles.push(cluster);
    return true;
  }

  #setAside(clusters: number): Run {
    const first = this.#find(clusters);
    this.#file.write(first * this.#clusterSize, new Uint8Array(clusters * this.#clusterSize));
    for (let cluster = first; cluster < first + clusters; cluster++) this.#held.add(cluster);
    return { first, clusters };
  }

  #leave(run: Run): void {
    this.#drop(run);
    for (let cluster = run.first; cluster < run.first + run.clusters; cluster++) this.#used.add(cluster);
  }

  #drop({ first, clusters }: Run): void {
    for (let cluster = first; cluster < first + clusters; cluster++) this.#held.delete(cluster);
  }
}
