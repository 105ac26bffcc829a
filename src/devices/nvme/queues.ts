/** Submission and completion queues in guest memory (NVM Express Base Specification 1.4, "Queue Model"). */
import { type Command, readCommand } from './command.ts';
import type { Dma } from './dma.ts';
import { COMMAND_BYTES, COMPLETION_BYTES } from './spec.ts';

const DO_NOT_RETRY = 0x4000;

export type CompletionState = {
  id: number;
  base: number;
  size: number;
  vector: number | null;
  head: number;
  tail: number;
  phase: number;
};

/** `pending` is not of it: nothing is saved while the disk is at work. */
export type SubmissionState = {
  id: number;
  base: number;
  size: number;
  completions: number;
  head: number;
  tail: number;
};

export class CompletionQueue {
  readonly id: number;
  readonly size: number;
  /** Interrupt vector, null if there is no interrupt. */
  readonly vector: number | null;
  readonly #dma: Dma;
  readonly #base: number;
  #head = 0;
  #tail = 0;
  #phase = 1;

  constructor(dma: Dma, id: number, base: number, size: number, vector: number | null) {
    this.id = id;
    this.size = size;
    this.vector = vector;
    this.#dma = dma;
    this.#base = base;
  }

  save(): CompletionState {
    const { id, size, vector } = this;
    return { id, base: this.#base, size, vector, head: this.#head, tail: this.#tail, phase: this.#phase };
  }

  /** The queue that was saved. */
  static of(dma: Dma, { id, base, size, vector, head, tail, phase }: CompletionState): CompletionQueue {
    const queue = new CompletionQueue(dma, id, base, size, vector);
    queue.#head = head;
    queue.#tail = tail;
    queue.#phase = phase;
    return queue;
  }

  /** The driver has not seen all that was posted. */
  get hasNews(): boolean {
    return this.#head !== this.#tail;
  }

  /** Entries that can be posted. */
  get room(): number {
    return (this.#head - this.#tail - 1 + this.size) % this.size;
  }

  /** The driver's doorbell; false if the value makes no sense. */
  setHead(head: number): boolean {
    if (head >= this.size) return false;
    const seen = (head - this.#head + this.size) % this.size;
    if (seen > (this.#tail - this.#head + this.size) % this.size) return false;
    this.#head = head;
    return true;
  }

  /** Throws NvmeError if the queue is outside RAM. */
  post(queue: SubmissionQueue, cid: number, status: number, result: number): void {
    const at = this.#base + COMPLETION_BYTES * this.#tail;
    const view = this.#dma.view(at, COMPLETION_BYTES);
    view.setUint32(0, result, true);
    view.setUint32(4, 0, true);
    view.setUint16(8, queue.head, true);
    view.setUint16(10, queue.id, true);
    view.setUint16(12, cid, true);
    const field = status === 0 ? 0 : status | DO_NOT_RETRY;
    view.setUint16(14, (field << 1) | this.#phase, true);
    this.#dma.wrote(at, COMPLETION_BYTES);
    this.#tail++;
    if (this.#tail === this.size) {
      this.#tail = 0;
      this.#phase ^= 1;
    }
  }
}

export class SubmissionQueue {
  readonly id: number;
  readonly size: number;
  readonly completions: CompletionQueue;
  /** The queue was deleted: what is still being done is not reported. */
  isDeleted = false;
  /** Commands that were fetched and not completed. */
  pending = 0;
  readonly #dma: Dma;
  readonly #base: number;
  #head = 0;
  #tail = 0;

  constructor(dma: Dma, id: number, base: number, size: number, completions: CompletionQueue) {
    this.id = id;
    this.size = size;
    this.completions = completions;
    this.#dma = dma;
    this.#base = base;
  }

  save(): SubmissionState {
    const { id, size, completions } = this;
    return { id, base: this.#base, size, completions: completions.id, head: this.#head, tail: this.#tail };
  }

  /** The queue that was saved. */
  static of(dma: Dma, { id, base, size, head, tail }: SubmissionState, completions: CompletionQueue): SubmissionQueue {
    const queue = new SubmissionQueue(dma, id, base, size, completions);
    queue.#head = head;
    queue.#tail = tail;
    return queue;
  }

  get head(): number {
    return this.#head;
  }

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  /** The driver's doorbell; false if the value makes no sense. */
  setTail(tail: number): boolean {
    if (tail >= this.size) return false;
    this.#tail = tail;
    return true;
  }

  /** The next command. Throws NvmeError if the queue is outside RAM. */
  fetch(): Command {
    const command = readCommand(this.#dma.view(this.#base + COMMAND_BYTES * this.#head, COMMAND_BYTES));
    this.#head = (this.#head + 1) % this.size;
    return command;
  }
}
