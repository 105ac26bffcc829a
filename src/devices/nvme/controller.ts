/**
 * An NVMe controller with one namespace (NVM Express Base Specification 1.4): registers, doorbells and the way of a
 * command through its queues. A driver that errs gets a status; where not even that can be told to it, the controller
 * reports a fatal status and waits for a reset.
 */
import type { GuestMemory, Width } from '../../core/types.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import { copyOf, type Saved } from '../../saved.ts';
import type { BlkBackend } from '../backends.ts';
import type { Defer } from '../clock.ts';
import type { IoDevice } from '../device.ts';
import { TURN_WORK } from '../work-meter.ts';
import { AdminCommands, type Queues } from './admin.ts';
import type { Command } from './command.ts';
import { addressAt, Dma } from './dma.ts';
import { NvmCommands, type Pieces, type Work } from './io.ts';
import { CompletionQueue, SubmissionQueue } from './queues.ts';
import {
  Admin,
  ASYNC_EVENT_LIMIT,
  ControllerStatus,
  Enable,
  Io,
  MAX_QUEUE,
  NvmeError,
  PAGE,
  Reg,
  Status,
  shifted,
  VERSION,
} from './spec.ts';
import type { NvmeState } from './state.ts';

/** Contiguous queues are required; time-out of 7.5 s. */
const CAP_LOW = (MAX_QUEUE - 1) | 0x1_0000 | 0x0f00_0000;
/** The NVM command set. */
const CAP_HIGH = 1 << 5;
const REGISTER_BYTES = 0x40;
/** The work of a command beside its bytes. */
const COMMAND_WORK = TURN_WORK / 64;
const AsyncEvent = { BAD_REGISTER: 0x0001_0000, BAD_VALUE: 0x0001_0100 } as const;

export interface NvmeParts {
  memory: GuestMemory;
  /** Called after the controller wrote to memory. */
  wrote: (pa: number, length: number) => void;
  backend: BlkBackend;
  vendor: number;
  serial: string;
  /** Pairs of I/O queues. */
  pairs: number;
  /** A completion was posted for an interrupt vector. */
  signal: (vector: number) => void;
  /** The level of the interrupt pin, for drivers that do not use vectors. */
  pin: (level: boolean) => void;
  /** As of DeviceContext. */
  defer: Defer;
  /** Told of work that was done, in the unit of WorkMeter. */
  charge?: (bytes: number) => void;
  /** The host works on something; the guest waits for it. */
  busy?: (work: Promise<unknown>) => void;
  doors?: Doors;
  log: (line: string) => void;
}

export class NvmeController implements IoDevice, Saved<NvmeState> {
  readonly maxWidth = 4;
  readonly #parts: NvmeParts;
  readonly #dma: Dma;
  readonly #queues: Queues = { submission: new Map(), completion: new Map() };
  readonly #admin: AdminCommands;
  readonly #nvm: NvmCommands;
  readonly #registers = new DataView(new ArrayBuffer(REGISTER_BYTES));
  /** Asynchronous event requests that wait for something to report. */
  #waiting: number[] = [];
  #mask = 0;
  /** Goes on, a little later. */
  readonly #continueLater: () => void;
  #workLeft = 0;
  /** Commands that the backend has not answered, numbered in their order: what is done with the answer. */
  readonly #answers = new Map<number, (status: number) => void>();
  readonly #answered: (number: number, status: number) => void;
  #nextAnswer = 0;
  /** A command that is done in pieces; no other is begun before it is done. */
  #rest: { queue: SubmissionQueue; command: Command; rest: Pieces } | null = null;

  constructor(parts: NvmeParts) {
    const { memory, wrote, backend, vendor, serial, pairs } = parts;
    const { capacity, isReadOnly } = backend;
    this.#parts = parts;
    this.#answered = (parts.doors ?? NO_DOORS).door('answer', (number: number, status: number) => {
      const take = this.#answers.get(number);
      this.#answers.delete(number);
      take?.(status);
    });
    this.#continueLater = parts.defer('turn', () => {
      if (this.#isRunning) this.#attempt(() => this.#turn());
    });
    this.#dma = new Dma(memory, wrote);
    const identity = { vendor, serial, capacity, isReadOnly };
    this.#admin = new AdminCommands({ dma: this.#dma, queues: this.#queues, identity, pairs, vectors: pairs + 1 });
    this.#nvm = new NvmCommands(backend, this.#dma, {
      hasCache: () => this.#admin.hasCache,
      charge: (work) => this.#charge(work),
    });
    this.#registers.setUint32(Reg.CAP, CAP_LOW, true);
    this.#registers.setUint32(Reg.CAP + 4, CAP_HIGH, true);
    this.#registers.setUint32(Reg.VS, VERSION, true);
  }

  /** Throws Error while the backend is at work: the machine waits for that. */
  save(): NvmeState {
    if (this.#answers.size > 0) throw new Error('nvme: the disk is at work');
    const rest = this.#rest;
    return {
      registers: new Uint8Array(this.#registers.buffer.slice(0)),
      features: this.#admin.save(),
      completion: [...this.#queues.completion.values()].map((queue) => queue.save()),
      submission: [...this.#queues.submission.values()].map((queue) => queue.save()),
      waiting: [...this.#waiting],
      mask: this.#mask,
      rest: rest && {
        queue: rest.queue.isDeleted ? null : rest.queue.id,
        ...copyOf({ command: rest.command, rest: rest.rest }),
      },
    };
  }

  load({ registers, features, completion, submission, waiting, mask, rest }: NvmeState): void {
    const queues = this.#queues;
    new Uint8Array(this.#registers.buffer).set(registers);
    this.#admin.load(features);
    queues.completion.clear();
    queues.submission.clear();
    for (const state of completion) queues.completion.set(state.id, CompletionQueue.of(this.#dma, state));
    for (const state of submission) {
      const completions = queues.completion.get(state.completions);
      if (completions) queues.submission.set(state.id, SubmissionQueue.of(this.#dma, state, completions));
    }
    this.#waiting = [...waiting];
    this.#mask = mask;
    this.#rest = rest && { queue: this.#queueOf(rest.queue), ...copyOf({ command: rest.command, rest: rest.rest }) };
    if (this.#rest) this.#rest.queue.pending++;
  }

  /** The queue of a command that is under way; one that was deleted hears nothing more. */
  #queueOf(id: number | null): SubmissionQueue {
    const known = id === null ? undefined : this.#queues.submission.get(id);
    const queue = known ?? new SubmissionQueue(this.#dma, 0, 0, 2, new CompletionQueue(this.#dma, 0, 0, 2, null));
    queue.isDeleted = known === undefined;
    return queue;
  }

  read(offset: number, width: Width): number {
    const register = offset & ~3;
    if (register + 4 > REGISTER_BYTES) return 0;
    const isMask = register === Reg.INTMS || register === Reg.INTMC;
    const value = isMask ? this.#mask : this.#registers.getUint32(register, true);
    return shifted(value, offset, width);
  }

  /** Registers are written whole. */
  write(offset: number, width: Width, value: number): void {
    if (width !== 4 || offset % 4 !== 0) return;
    if (offset >= Reg.DOORBELLS) this.#doorbell((offset - Reg.DOORBELLS) / 4, value & 0xffff);
    else if (offset === Reg.INTMS) this.#setMask(this.#mask | value);
    else if (offset === Reg.INTMC) this.#setMask(this.#mask & ~value);
    else if (offset === Reg.CC) this.#control(value);
    else if (offset >= Reg.AQA && offset < Reg.ACQ + 8) this.#registers.setUint32(offset, value, true);
  }

  #setMask(mask: number): void {
    this.#mask = mask >>> 0;
    this.#updatePin();
  }

  get #status(): number {
    return this.#registers.getUint32(Reg.CSTS, true);
  }

  set #status(value: number) {
    this.#registers.setUint32(Reg.CSTS, value, true);
  }

  get #isRunning(): boolean {
    return (this.#status & (ControllerStatus.RDY | ControllerStatus.CFS)) === ControllerStatus.RDY;
  }

  #control(value: number): void {
    const old = this.#registers.getUint32(Reg.CC, true);
    this.#registers.setUint32(Reg.CC, value, true);
    if (old & ~value & Enable.EN) this.reset();
    if (value & ~old & Enable.EN) this.#attempt(() => this.#enable(value));
    if (value & Enable.SHN && (old & Enable.SHN) === 0) this.#shutDown();
    if ((value & Enable.SHN) === 0) this.#status &= ~(3 << 2);
  }

  #enable(control: number): void {
    const sizes = this.#registers.getUint32(Reg.AQA, true);
    const [submissions, completions] = [Reg.ASQ, Reg.ACQ].map((at) => addressAt(this.#registers, at));
    const [entries, places] = [(sizes & 0xfff) + 1, ((sizes >>> 16) & 0xfff) + 1];
    const isOdd = (control & (Enable.CSS | Enable.MPS | Enable.AMS)) !== 0;
    if (isOdd || entries < 2 || places < 2 || submissions % PAGE !== 0 || completions % PAGE !== 0) {
      throw new NvmeError(
        Status.INVALID_FIELD,
        `enabled with CC 0x${control.toString(16)}, AQA 0x${sizes.toString(16)}`,
      );
    }
    const completion = new CompletionQueue(this.#dma, 0, completions, places, 0);
    this.#queues.completion.set(0, completion);
    this.#queues.submission.set(0, new SubmissionQueue(this.#dma, 0, submissions, entries, completion));
    this.#status |= ControllerStatus.RDY;
  }

  /** Stops, and forgets all queues. */
  reset(): void {
    for (const queue of this.#queues.submission.values()) queue.isDeleted = true;
    this.#queues.submission.clear();
    this.#queues.completion.clear();
    this.#admin.reset();
    this.#rest = null;
    this.#waiting = [];
    this.#mask = 0;
    this.#status = 0;
    this.#updatePin();
  }

  #shutDown(): void {
    const done = (): void => {
      this.#status |= ControllerStatus.SHUTDOWN_COMPLETE;
    };
    try {
      const work = this.#parts.backend.isReadOnly ? undefined : this.#parts.backend.flush();
      if (work instanceof Promise) this.#parts.busy?.(work.catch((error) => this.#logError(error)).then(done));
      else done();
    } catch (error) {
      this.#logError(error);
      done();
    }
  }

  #doorbell(number: number, value: number): void {
    if (!this.#isRunning) return;
    const id = number >> 1;
    const completion = this.#queues.completion.get(id);
    const submission = this.#queues.submission.get(id);
    if (number % 2 === 0 ? !submission : !completion) this.#report(AsyncEvent.BAD_REGISTER);
    else if (!(number % 2 === 0 ? submission?.setTail(value) : completion?.setHead(value))) {
      this.#report(AsyncEvent.BAD_VALUE);
    } else this.#attempt(() => this.#turn());
  }

  /** Begins commands of all queues, each in its order, as long as there is room for what they will say. */
  #turn(): void {
    const signalled = new Set<CompletionQueue>();
    this.#workLeft = TURN_WORK;
    for (let isMoving = true; isMoving && this.#isRunning; ) {
      isMoving = false;
      if (!this.#resume(signalled)) break;
      for (const queue of this.#queues.submission.values()) {
        if (queue.isEmpty || this.#promised(queue.completions) >= queue.completions.room) continue;
        isMoving = true;
        if (this.#workLeft <= 0) break;
        this.#charge(COMMAND_WORK);
        this.#begin(queue, signalled);
        if (this.#rest) break;
      }
      if (this.#workLeft <= 0) break;
    }
    if (this.#rest || this.#workLeft <= 0) this.#continueLater();
    this.#signal(signalled);
  }

  /** Goes on with a command that is done in pieces. Returns whether nothing is left of it. */
  #resume(signalled: Set<CompletionQueue>): boolean {
    while (this.#rest && this.#workLeft > 0) {
      const { queue, command, rest } = this.#rest;
      let status: Status = Status.SUCCESS;
      try {
        if (this.#nvm.step(rest)) continue;
      } catch (error) {
        status = this.#statusOf(command, error);
      }
      this.#rest = null;
      queue.pending--;
      if (queue.isDeleted) continue;
      queue.completions.post(queue, command.cid, status, 0);
      signalled.add(queue.completions);
    }
    return this.#rest === null;
  }

  #charge(work: number): void {
    this.#workLeft -= work;
    this.#parts.charge?.(work);
  }

  /** Completions that are still to come. */
  #promised(completions: CompletionQueue): number {
    let count = 0;
    for (const queue of this.#queues.submission.values()) if (queue.completions === completions) count += queue.pending;
    return count;
  }

  #begin(queue: SubmissionQueue, signalled: Set<CompletionQueue>): void {
    const command = queue.fetch();
    const { cid } = command;
    const post = (status: number, result = 0): void => {
      queue.completions.post(queue, cid, status, result);
      signalled.add(queue.completions);
    };
    let work: Work | Pieces;
    try {
      if (queue.id === 0) {
        if (command.opcode === Admin.ASYNC_EVENT) this.#awaitEvent(cid, post);
        else post(Status.SUCCESS, this.#admin.perform(command));
        return;
      }
      work = this.#nvm.perform(command);
    } catch (error) {
      post(this.#statusOf(command, error));
      return;
    }
    if (work instanceof Promise) this.#finishLater(queue, command, work);
    else if (work) {
      queue.pending++;
      this.#rest = { queue, command, rest: work };
    } else post(Status.SUCCESS);
  }

  #finishLater(queue: SubmissionQueue, command: Command, work: Promise<void>): void {
    const number = this.#nextAnswer++;
    queue.pending++;
    this.#answers.set(number, (status) => {
      queue.pending--;
      if (queue.isDeleted || !this.#isRunning) return;
      this.#attempt(() => {
        queue.completions.post(queue, command.cid, status, 0);
        this.#signal(new Set([queue.completions]));
        this.#turn();
      });
    });
    const done = work.then(
      () => this.#answered(number, Status.SUCCESS),
      (error) => this.#answered(number, this.#statusOf(command, error)),
    );
    this.#parts.busy?.(done);
  }

  #statusOf({ opcode }: Command, error: unknown): Status {
    if (error instanceof NvmeError) return error.status;
    this.#logError(error);
    return opcode === Io.READ ? Status.READ_ERROR : Status.WRITE_FAULT;
  }

  #awaitEvent(cid: number, post: (status: Status) => void): void {
    if (this.#waiting.length === ASYNC_EVENT_LIMIT) post(Status.ASYNC_LIMIT);
    else this.#waiting.push(cid);
  }

  /** Answers an asynchronous event request, where there is one. */
  #report(event: number): void {
    const cid = this.#waiting.shift();
    const queue = this.#queues.submission.get(0);
    if (cid === undefined || !queue || queue.completions.room === 0) return;
    this.#attempt(() => {
      queue.completions.post(queue, cid, Status.SUCCESS, event);
      this.#signal(new Set([queue.completions]));
    });
  }

  #signal(queues: Iterable<CompletionQueue>): void {
    for (const { vector } of queues) if (vector !== null) this.#parts.signal(vector);
    this.#updatePin();
  }

  #updatePin(): void {
    let level = false;
    for (const { vector, hasNews } of this.#queues.completion.values()) {
      if (vector !== null && hasNews && (this.#mask & 1) === 0) level = true;
    }
    this.#parts.pin(level);
  }

  /** What a command cannot be told is told by the controller's status. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof NvmeError)) throw error;
      this.#status |= ControllerStatus.CFS;
      this.#parts.log(`nvme: ${error.message}; it needs a reset`);
    }
  }

  #logError(error: unknown): void {
    this.#parts.log(`nvme: ${error instanceof Error ? error.message : error}`);
  }
}
