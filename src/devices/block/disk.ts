/**
 * A disk that answers at once, as every image format here does: what a guest sees then depends on nothing but the guest
 * and the image (docs/decisions/0007-disks-answer-at-once.md). Offsets and lengths need not be multiples of 512.
 */
import type { BlkBackend } from '../backends.ts';

export interface Disk extends BlkBackend {
  readonly answersAtOnce: true;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
  flush(): void;
  discard(offset: number, length: number): void;
  writeZeroes(offset: number, length: number, mayUnmap: boolean): void;
  /** Writes down what was not yet, and lets go of the files. */
  close(): void;
}
