/** Walks a qcow2 image and counts how often each of its clusters is referred to, as a check of the image does. */
import type { ByteFile } from './byte-file.ts';
import { hex, ImageError } from './image-error.ts';
import type { Qcow2Header } from './qcow2-header.ts';
import { clusterIn, offsetIn } from './qcow2-map.ts';

/**
 * References by cluster of the file. Every table is read once, however often it is referred to, so that the work is
 * bounded by the length of the file. Throws ImageError for what lies beyond the end or not at the start of a cluster.
 */
export function countReferences(file: ByteFile, header: Qcow2Header): Uint32Array {
  const { clusterSize, clusterBits } = header;
  const clusters = Math.ceil(file.size / clusterSize);
  // The last cluster that compressed data touches may begin at the very end.
  const counts = new Uint32Array(clusters + 1);
  const refer = (what: string, at: number, bytes: number, times = 1): void => {
    const last = Math.floor((at + bytes - 1) / clusterSize);
    if (last > clusters || at >= file.size) {
      throw new ImageError(`${file.name}: ${what} is at ${hex(at)}; the file has ${hex(file.size)} bytes`);
    }
    for (let cluster = Math.floor(at / clusterSize); cluster <= last; cluster++) counts[cluster] += times;
  };
  const whole = (what: string, at: number, times = 1): void => {
    if (at % clusterSize !== 0) {
      throw new ImageError(
        `${file.name}: ${what} is at ${hex(at)}; clusters begin at multiples of ${hex(clusterSize)}`,
      );
    }
    refer(what, at, clusterSize, times);
  };
  const table = (at: number, bytes: number): DataView => {
    const content = new Uint8Array(bytes);
    file.read(at, content);
    return new DataView(content.buffer);
  };

  refer('the header', 0, 1);
  if (header.snapshotsBytes > 0) refer('the snapshot table', header.snapshotsOffset, header.snapshotsBytes);
  refer('the refcount table', header.tableOffset, header.tableClusters * clusterSize);
  const blocks = table(header.tableOffset, header.tableClusters * clusterSize);
  for (let index = 0; index < blocks.byteLength / 8; index++) {
    const at = offsetIn(blocks, index);
    if (at !== 0) whole(`refcount block ${index}`, at);
  }
  const l2Tables = new Map<number, number>();
  for (const { l1Offset, l1Size } of [header, ...header.snapshots]) {
    if (l1Size === 0) continue;
    refer('an L1 table', l1Offset, 8 * l1Size);
    const l1 = table(l1Offset, 8 * l1Size);
    for (let index = 0; index < l1Size; index++) {
      const at = offsetIn(l1, index);
      if (at !== 0) l2Tables.set(at, (l2Tables.get(at) ?? 0) + 1);
    }
  }
  for (const [at, times] of l2Tables) {
    whole('an L2 table', at, times);
    const l2 = table(at, clusterSize);
    for (let index = 0; index < clusterSize / 8; index++) {
      const cluster = clusterIn(l2, index, clusterBits);
      if (cluster.kind === 'none') continue;
      if (cluster.kind === 'compressed') {
        refer('a compressed cluster', cluster.at - (cluster.at % 512), cluster.bytes + (cluster.at % 512), times);
      } else if (cluster.at !== 0) whole('a cluster', cluster.at, times);
    }
  }
  return counts;
}
