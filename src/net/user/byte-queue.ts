/** Bytes that wait to be sent and, then, to be acknowledged: appended in chunks, read anywhere, dropped in front. */
import type { Saved } from '../../saved.ts';
import { addChunk } from '../chunks.ts';

export class ByteQueue implements Saved<Uint8Array> {
  #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are gone. */
  #skipped = 0;
  length = 0;

  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    addChunk(this.#chunks, chunk);
    this.length += chunk.length;
  }

  /** Copies the bytes from `offset` on, as many as `target` has room for. */
  copy(offset: number, target: Uint8Array): void {
    let skip = offset + this.#skipped;
    let done = 0;
    for (const chunk of this.#chunks) {
      if (done === target.length) return;
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + target.length - done);
      target.set(part, done);
      done += part.length;
      skip = 0;
    }
  }

  save(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    this.copy(0, bytes);
    return bytes;
  }

  load(bytes: Uint8Array): void {
    this.#chunks = bytes.length > 0 ? [bytes.slice()] : [];
    this.#skipped = 0;
    this.length = bytes.length;
  }

  drop(count: number): void {
    this.length -= count;
    this.#skipped += count;
    let gone = 0;
    while (gone < this.#chunks.length && this.#skipped >= this.#chunks[gone].length) {
      this.#skipped -= this.#chunks[gone++].length;
    }
    this.#chunks.splice(0, gone);
  }
}
