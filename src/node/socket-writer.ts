/**
 * Writes to a socket of the host. Node keeps an object for every write that the host has not taken; beyond a few of them
 * what comes is put together here, so that a guest's single bytes cost bytes.
 */
import type { Socket } from 'node:net';
import { addChunk } from '../net/chunks.ts';

const MOST_WRITES = 16;

export class SocketWriter {
  readonly #socket: Socket;
  readonly #drained: () => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writes = 0;
  /** What is to happen when everything has been written. */
  #last: (() => void) | null = null;

  #isFull = false;

  /** Calls `drained` when the host has taken everything after it was behind. */
  constructor(socket: Socket, drained: () => void) {
    this.#socket = socket;
    this.#drained = drained;
  }

  /** Bytes that the host has not taken yet. */
  get buffered(): number {
    return this.#socket.writableLength + this.#waitingBytes;
  }

  /** Keeps the bytes until they are sent. */
  write(bytes: Uint8Array): void {
    if (this.#writes < MOST_WRITES && this.#waiting.length === 0) this.#start(bytes);
    else {
      addChunk(this.#waiting, bytes);
      this.#waitingBytes += bytes.length;
    }
    this.#isFull ||= this.buffered > this.#socket.writableHighWaterMark;
  }

  /** Calls `last` when everything has been given to the socket. */
  finish(last: () => void): void {
    if (this.#waiting.length === 0) last();
    else this.#last = last;
  }

  #start(bytes: Uint8Array): void {
    this.#writes++;
    this.#socket.write(bytes, () => {
      this.#writes--;
      this.#next();
      if (!this.#isFull || this.buffered > 0) return;
      this.#isFull = false;
      this.#drained();
    });
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#socket.destroyed) return;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#start(bytes);
    this.#last?.();
  }
}
