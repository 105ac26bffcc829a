/** How much memory something keeps, garbage apart. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use: objects, and what buffers hold outside of the heap. */
function bytesInUse(): number {
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** What is kept after `work` that was not before it. Whatever is to count must be reachable from outside of `work`. */
export function heldBy(work: () => void): number {
  const before = bytesInUse();
  work();
  return bytesInUse() - before;
}
