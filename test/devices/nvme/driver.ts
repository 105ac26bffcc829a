/** A driver for the controller: RAM, an allocator, and the driver's side of queues, honest unless told otherwise. */
import type { BlkBackend } from '../../../src/devices/backends.ts';
import { NvmeController } from '../../../src/devices/nvme/controller.ts';
import { Admin, COMMAND_BYTES, COMPLETION_BYTES, PAGE, Reg } from '../../../src/devices/nvme/spec.ts';

export const RAM_BYTES = 0x200000;
const ENTRIES = 8;

export interface Wish {
  opcode: number;
  nsid?: number;
  prp1?: number;
  prp2?: number;
  /** Dwords 10 to 15. */
  dwords?: readonly number[];
  flags?: number;
}

export interface Completion {
  cid: number;
  status: number;
  result: number;
  queue: number;
}

class QueuePair {
  readonly id: number;
  readonly size: number;
  readonly submissions: number;
  readonly completions: number;
  tail = 0;
  head = 0;
  phase = 1;

  constructor(id: number, size: number, submissions: number, completions: number) {
    this.id = id;
    this.size = size;
    this.submissions = submissions;
    this.completions = completions;
  }
}

export class NvmeDriver {
  readonly all = new Uint8Array(RAM_BYTES);
  readonly view = new DataView(this.all.buffer);
  readonly log: string[] = [];
  readonly deferred: (() => void)[] = [];
  readonly signals: number[] = [];
  readonly wrote: [number, number][] = [];
  readonly backend: BlkBackend;
  readonly nvme: NvmeController;
  pin = false;
  queues: QueuePair[] = [];
  #free = 0x10000;
  #cid = 0;

  constructor(backend: BlkBackend) {
    this.backend = backend;
    this.nvme = new NvmeController({
      memory: {
        size: RAM_BYTES,
        bytes: (at, length) => {
          if (at < 0 || at + length > RAM_BYTES) throw new RangeError(`${at}+${length}`);
          return this.all.subarray(at, at + length);
        },
      },
      wrote: (at, length) => this.wrote.push([at, length]),
      backend,
      vendor: 0x1234,
      serial: 'disk-7',
      pairs: 4,
      signal: (vector) => this.signals.push(vector),
      pin: (level) => {
        this.pin = level;
      },
      defer: (_name, work) => () => void this.deferred.push(work),
      log: (line) => this.log.push(line),
    });
  }

  get(register: number): number {
    return this.nvme.read(register, 4);
  }

  set(register: number, value: number): void {
    this.nvme.write(register, 4, value >>> 0);
  }

  /** Whole pages. */
  pages(count = 1): number {
    const at = this.#free;
    this.#free += PAGE * count;
    return at;
  }

  /** The admin queues, and a pair for I/O. */
  up(size = ENTRIES): this {
    const admin = new QueuePair(0, size, this.pages(), this.pages());
    this.queues = [admin];
    this.set(Reg.AQA, ((size - 1) << 16) | (size - 1));
    this.set(Reg.ASQ, admin.submissions);
    this.set(Reg.ACQ, admin.completions);
    this.set(Reg.CC, 0x460001);
    this.addPair(1, size);
    return this;
  }

  addPair(id: number, size = ENTRIES): void {
    const pair = new QueuePair(id, size, this.pages(Math.ceil((COMMAND_BYTES * size) / PAGE)), this.pages());
    const which = ((size - 1) << 16) | id;
    this.admin({ opcode: Admin.CREATE_CQ, prp1: pair.completions, dwords: [which, (id << 16) | 3] });
    this.admin({ opcode: Admin.CREATE_SQ, prp1: pair.submissions, dwords: [which, (id << 16) | 1] });
    this.queues[id] = pair;
  }

  /** Puts a command into a queue; `ring` to tell. Returns its number. */
  submit(queue: number, wish: Wish): number {
    const pair = this.queues[queue];
    const at = pair.submissions + COMMAND_BYTES * pair.tail;
    const cid = this.#cid++ & 0xffff;
    this.all.fill(0, at, at + COMMAND_BYTES);
    this.view.setUint32(at, (wish.opcode | ((wish.flags ?? 0) << 8) | (cid << 16)) >>> 0, true);
    this.view.setUint32(at + 4, wish.nsid ?? (queue === 0 ? 0 : 1), true);
    this.view.setBigUint64(at + 24, BigInt(wish.prp1 ?? 0), true);
    this.view.setBigUint64(at + 32, BigInt(wish.prp2 ?? 0), true);
    for (const [n, dword] of (wish.dwords ?? []).entries()) this.view.setUint32(at + 40 + 4 * n, dword >>> 0, true);
    pair.tail = (pair.tail + 1) % pair.size;
    return cid;
  }

  ring(queue: number): void {
    this.set(Reg.DOORBELLS + 8 * queue, this.queues[queue].tail);
  }

  /** New completions; `seen` tells the controller that they were read. */
  completions(queue: number, seen = true): Completion[] {
    const pair = this.queues[queue];
    const found: Completion[] = [];
    for (;;) {
      const at = pair.completions + COMPLETION_BYTES * pair.head;
      const last = this.view.getUint16(at + 14, true);
      if ((last & 1) !== pair.phase || found.length === pair.size) break;
      found.push({
        cid: this.view.getUint16(at + 12, true),
        status: (last >> 1) & 0x3fff,
        result: this.view.getUint32(at, true),
        queue: this.view.getUint16(at + 10, true),
      });
      pair.head = (pair.head + 1) % pair.size;
      if (pair.head === 0) pair.phase ^= 1;
    }
    if (seen && found.length > 0) this.set(Reg.DOORBELLS + 8 * queue + 4, pair.head);
    return found;
  }

  /** One command, and what it ended with. */
  run(queue: number, wish: Wish): Completion {
    const cid = this.submit(queue, wish);
    this.ring(queue);
    const found = this.completions(queue).find((one) => one.cid === cid);
    if (!found) throw new Error(`command ${cid} was not completed: ${this.log.join()}`);
    return found;
  }

  admin(wish: Wish): Completion {
    return this.run(0, wish);
  }
}
