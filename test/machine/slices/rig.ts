/**
 * A hostile driver: it lays rings into a microvm's memory from outside, and a guest of a few instructions does the stores
 * that the devices hear. It tells how much CPU time the longest turn took that the host's event loop was kept waiting.
 */
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';

/** mov esi, STORES; next: lodsd; test eax, eax; jz $; mov edi, eax; lodsd; mov [edi], eax; jmp next */
const PROGRAM = [0xbe, 0, 0, 0x20, 0, 0xad, 0x85, 0xc0, 0x74, 0xfe, 0x89, 0xc7, 0xad, 0x89, 0x07, 0xeb, 0xf4];
const [PROGRAM_AT, STORES, FREE] = [0x10_0000, 0x20_0000, 0x100_0000];
const FIRST_DEVICE = 0xfeb0_0000;
const NEXT = 1;
const WRITE = 2;
export const INDIRECT = 4;

type Store = readonly [address: number, value: number];
/** A part of a chain; written by the device where it says so. */
export type Part = readonly [gpa: number, length: number, isWritten?: boolean];

export class Queue {
  readonly index: number;
  readonly size: number;
  readonly at: number;
  #descriptors = 0;
  made = 0;

  constructor(index: number, size: number, at: number) {
    this.index = index;
    this.size = size;
    this.at = at;
  }
  get areas(): readonly number[] {
    return [this.at, this.at + 0x8000, this.at + 0xc000];
  }
  take(): number {
    return this.#descriptors++ % this.size;
  }
}

export class Rig {
  readonly machine: Machine;
  #free = FREE;
  #queues: Queue[] = [];

  static async make(devices: MachineOptions['devices'], options: Partial<MachineOptions> = {}): Promise<Rig> {
    const flat = { address: PROGRAM_AT, mode: 32 } as const;
    const kernel = Uint8Array.from(PROGRAM);
    return new Rig(await Machine.create({ kernel, flat, machine: 'microvm', memory: '256M', ...options, devices }));
  }
  private constructor(machine: Machine) {
    this.machine = machine;
  }

  view(gpa: number, length: number): DataView {
    const bytes = this.bytes(gpa, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }
  bytes(gpa: number, length: number): Uint8Array {
    return this.machine.core.memory.bytes(gpa, length);
  }
  /** The guest-physical address of room for so many bytes, with these at its begin. */
  room(length: number, content: ArrayLike<number> = []): number {
    const gpa = this.#free;
    this.#free += Math.ceil(length / 4096) * 4096;
    this.bytes(gpa, length).fill(0).set(content);
    return gpa;
  }

  queue(index: number, size = 256): Queue {
    const queue = new Queue(index, size, this.room(0x10000));
    this.#queues.push(queue);
    return queue;
  }
  /** Makes a chain available. */
  chain(queue: Queue, parts: readonly Part[], flags = 0): void {
    const places = parts.map(() => queue.take());
    const table = this.view(queue.areas[0], 16 * queue.size);
    for (const [n, [gpa, length, isWritten]] of parts.entries()) {
      const isLast = n === parts.length - 1;
      table.setBigUint64(16 * places[n], BigInt(gpa), true);
      table.setUint32(16 * places[n] + 8, length, true);
      table.setUint16(16 * places[n] + 12, flags | (isWritten ? WRITE : 0) | (isLast ? 0 : NEXT), true);
      table.setUint16(16 * places[n] + 14, isLast ? 0 : places[n + 1], true);
    }
    const ring = this.view(queue.areas[1], 4 + 2 * queue.size);
    ring.setUint16(4 + 2 * (queue.made % queue.size), places[0], true);
    ring.setUint16(2, ++queue.made, true);
  }
  /** A table of descriptors, for one chain with INDIRECT. */
  table(parts: readonly Part[]): Part {
    const gpa = this.room(16 * parts.length);
    const view = this.view(gpa, 16 * parts.length);
    for (const [n, [at, length, isWritten]] of parts.entries()) {
      const isLast = n === parts.length - 1;
      view.setBigUint64(16 * n, BigInt(at), true);
      view.setUint32(16 * n + 8, length, true);
      view.setUint16(16 * n + 12, (isWritten ? WRITE : 0) | (isLast ? 0 : NEXT), true);
      view.setUint16(16 * n + 14, isLast ? 0 : n + 1, true);
    }
    return [gpa, 16 * parts.length];
  }

  /** Brings the only device up with all queues, notifies each, and runs until all chains are used. */
  async run(features = 0): Promise<void> {
    const stores: Store[] = [
      ...[0, 1, 3].map((status): Store => [Reg.STATUS, status]),
      [Reg.DRIVER_FEATURES_SEL, 0],
      [Reg.DRIVER_FEATURES, features],
      [Reg.DRIVER_FEATURES_SEL, 1],
      [Reg.DRIVER_FEATURES, 1],
      [Reg.STATUS, 11],
    ];
    for (const { index, size, areas } of this.#queues) {
      stores.push([Reg.QUEUE_SEL, index], [Reg.QUEUE_NUM, size]);
      for (const [n, gpa] of areas.entries()) stores.push([Reg.QUEUE_DESC_LOW + 16 * n, gpa]);
      stores.push([Reg.QUEUE_READY, 1]);
    }
    stores.push([Reg.STATUS, 15], ...this.#queues.map(({ index }): Store => [Reg.QUEUE_NOTIFY, index]));
    const words = stores.flatMap(([register, value]) => [FIRST_DEVICE + register, value]);
    for (const [n, word] of [...words, 0].entries()) this.view(STORES + 4 * n, 4).setUint32(0, word, true);
    while (this.#queues.some(({ areas, made }) => this.view(areas[2], 4).getUint16(2, true) !== (made & 0xffff))) {
      const outcome = await this.machine.run({ instructions: 10_000_000 });
      if (outcome.reason !== 'limit') throw new Error(`the machine ended: ${outcome.reason}`);
    }
  }
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** The most CPU milliseconds that `work` took between two turns of the event loop. */
export async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let [last, longest, isOver] = [cpuMs(), 0, false];
  const look = (): void => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) setImmediate(look);
  };
  look();
  await work();
  isOver = true;
  look();
  return longest;
}
