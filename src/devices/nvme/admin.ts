/** The admin command set (NVM Express Base Specification 1.4, "Admin Command Set"). */
import type { Saved } from '../../saved.ts';
import type { Command } from './command.ts';
import type { Dma } from './dma.ts';
import { type Identity, identify, logPage } from './identify.ts';
import { CompletionQueue, SubmissionQueue } from './queues.ts';
import { Admin, FeatureId, MAX_QUEUE, NvmeError, PAGE, Status } from './spec.ts';

const NOT_ABORTED = 1;
const CONTIGUOUS = 1;
const INTERRUPTS = 2;
const SAVE = 0x8000_0000;
const MAX_LOG_BYTES = 0x10000;
const TEMPERATURE_THRESHOLD = 343;

/** The queues by their numbers; 0 is the admin queue. */
export interface Queues {
  readonly submission: Map<number, SubmissionQueue>;
  readonly completion: Map<number, CompletionQueue>;
}

export interface AdminParts {
  dma: Dma;
  queues: Queues;
  identity: Identity;
  /** Pairs of I/O queues. */
  pairs: number;
  /** Interrupt vectors. */
  vectors: number;
}

export class AdminCommands implements Saved<[feature: number, value: number][]> {
  readonly #parts: AdminParts;
  readonly #features = new Map<number, number>();

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.reset();
  }

  reset(): void {
    this.#features.clear();
    this.#features.set(FeatureId.TEMPERATURE, TEMPERATURE_THRESHOLD);
    this.#features.set(FeatureId.WRITE_CACHE, 1);
  }

  /** Values by the numbers of features. */
  save(): [feature: number, value: number][] {
    return [...this.#features];
  }

  load(features: [feature: number, value: number][]): void {
    this.#features.clear();
    for (const [feature, value] of features) this.#features.set(feature, value);
  }

  get hasCache(): boolean {
    return (this.#features.get(FeatureId.WRITE_CACHE) ?? 0) !== 0;
  }

  /** Does a command and returns dword 0 of its completion. Throws NvmeError. */
  perform(command: Command): number {
    const work = this.#commands[command.opcode];
    if (!work) throw new NvmeError(Status.INVALID_OPCODE, `admin opcode ${command.opcode}`);
    return work(command) ?? 0;
  }

  readonly #commands: Readonly<Record<number, (command: Command) => number | undefined>> = {
    [Admin.CREATE_CQ]: (command) => this.#createCompletion(command),
    [Admin.CREATE_SQ]: (command) => this.#createSubmission(command),
    [Admin.DELETE_SQ]: ({ dwords }) => {
      const { submission } = this.#parts.queues;
      const id = dwords[0] & 0xffff;
      const queue = submission.get(id);
      if (id === 0 || !queue) throw new NvmeError(Status.INVALID_QUEUE, `there is no submission queue ${id}`);
      queue.isDeleted = true;
      submission.delete(id);
    },
    [Admin.DELETE_CQ]: ({ dwords }) => {
      const { submission, completion } = this.#parts.queues;
      const id = dwords[0] & 0xffff;
      const queue = completion.get(id);
      if (id === 0 || !queue) throw new NvmeError(Status.INVALID_QUEUE, `there is no completion queue ${id}`);
      if ([...submission.values()].some(({ completions }) => completions === queue)) {
        throw new NvmeError(Status.QUEUE_IN_USE, `completion queue ${id} has submission queues`);
      }
      completion.delete(id);
    },
    [Admin.IDENTIFY]: (command) => {
      const cns = command.dwords[0] & 0xff;
      const bytes = identify(cns, command.nsid, this.#parts.identity);
      if (!bytes) throw new NvmeError(Status.INVALID_FIELD, `CNS ${cns} of namespace ${command.nsid}`);
      this.#answer(command, bytes);
    },
    [Admin.GET_LOG_PAGE]: (command) => {
      const [first, second, offset] = command.dwords;
      const bytes = logPage(first & 0xff);
      if (!bytes) throw new NvmeError(Status.INVALID_LOG, `log page ${first & 0xff}`);
      const length = 4 * ((second & 0xffff) * 0x10000 + (first >>> 16) + 1);
      if (length > MAX_LOG_BYTES || offset % 4 !== 0 || offset > bytes.length) {
        throw new NvmeError(Status.INVALID_FIELD, `${length} bytes at ${offset} of a log page of ${bytes.length}`);
      }
      const answer = new Uint8Array(length);
      answer.set(bytes.subarray(offset, offset + length));
      this.#answer(command, answer);
    },
    [Admin.ABORT]: () => NOT_ABORTED,
    [Admin.SET_FEATURES]: ({ dwords }) => {
      const id = this.#featureOf(dwords[0]);
      if (dwords[0] & SAVE) throw new NvmeError(Status.NOT_SAVEABLE, `feature ${id}`);
      if (id === FeatureId.QUEUES) return this.#queueCount();
      this.#features.set(id, dwords[1]);
    },
    [Admin.GET_FEATURES]: ({ dwords }) => {
      const id = this.#featureOf(dwords[0]);
      return id === FeatureId.QUEUES ? this.#queueCount() : (this.#features.get(id) ?? 0);
    },
  };

  #featureOf(dword: number): number {
    const id = dword & 0xff;
    // Feature 3 is a list of LBA ranges, which has no meaning here.
    if (id === 0 || id === 3 || id > FeatureId.LAST) throw new NvmeError(Status.INVALID_FIELD, `feature ${id}`);
    return id;
  }

  #queueCount(): number {
    const last = this.#parts.pairs - 1;
    return last * 0x10000 + last;
  }

  #createCompletion({ prp1, dwords }: Command): undefined {
    const { dma, queues, vectors } = this.#parts;
    const { id, size } = this.#newQueue(dwords, prp1, queues.completion);
    const vector = dwords[1] >>> 16;
    if (vector >= vectors) throw new NvmeError(Status.INVALID_VECTOR, `vector ${vector} of ${vectors}`);
    queues.completion.set(id, new CompletionQueue(dma, id, prp1, size, dwords[1] & INTERRUPTS ? vector : null));
  }

  #createSubmission({ prp1, dwords }: Command): undefined {
    const { dma, queues } = this.#parts;
    const completionId = dwords[1] >>> 16;
    const completions = queues.completion.get(completionId);
    if (completionId === 0 || !completions) {
      throw new NvmeError(Status.INVALID_CQ, `there is no completion queue ${completionId}`);
    }
    const { id, size } = this.#newQueue(dwords, prp1, queues.submission);
    queues.submission.set(id, new SubmissionQueue(dma, id, prp1, size, completions));
  }

  #newQueue(
    dwords: readonly number[],
    base: number,
    taken: ReadonlyMap<number, unknown>,
  ): { id: number; size: number } {
    const id = dwords[0] & 0xffff;
    const size = (dwords[0] >>> 16) + 1;
    if (id === 0 || id > this.#parts.pairs || taken.has(id)) throw new NvmeError(Status.INVALID_QUEUE, `queue ${id}`);
    if (size < 2 || size > MAX_QUEUE) throw new NvmeError(Status.INVALID_SIZE, `a queue of ${size}`);
    if ((dwords[1] & CONTIGUOUS) === 0) throw new NvmeError(Status.INVALID_FIELD, 'a queue that is not contiguous');
    if (base % PAGE !== 0) throw new NvmeError(Status.PRP_OFFSET, `a queue at 0x${base.toString(16)}`);
    return { id, size };
  }

  #answer(command: Command, bytes: Uint8Array): void {
    const { dma } = this.#parts;
    dma.copyOut(dma.windows(command, bytes.length), bytes);
  }
}
