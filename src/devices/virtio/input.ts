/**
 * Input device (virtio 1.2, 5.8 "Input Device"): events of Linux's evdev to the driver, and the state of lights back. What
 * the device has (keys, axes) the driver asks for by writing what it wants to know into the configuration space.
 */
import type { Width } from '../../core/types.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import type { Virtqueue } from './queue.ts';

/** Event types of evdev. */
export const EventType = { SYN: 0, KEY: 1, REL: 2, ABS: 3, LED: 0x11, REP: 0x14 } as const;

/** virtio 1.2, 5.8.4 "Device configuration layout". */
const Config = { SELECT: 0, SUBSELECT: 1, SIZE: 2, DATA: 8, BYTES: 136 } as const;
const Select = { NAME: 1, EVENT_BITS: 0x11, ABSOLUTE: 0x12 } as const;
const Queue = { EVENTS: 0, STATUS: 1 } as const;
const QUEUE_SIZE = 64;
const EVENT_BYTES = 8;
const ABSOLUTE_BYTES = 20;
/** What waits for a driver that gives no buffers; more is lost. */
const MAX_WAITING = 1024;

export interface InputProfile {
  /** As the guest shows it. */
  name: string;
  /** Codes by event type. */
  events: ReadonlyMap<number, readonly number[]>;
  /** The largest value of every absolute axis; the least is 0. */
  most?: number;
}

export type InputEvent = readonly [type: number, code: number, value: number];

/** Events that wait for buffers, and the lights that are on. */
type InputState = { waiting: [type: number, code: number, value: number][]; lights: number[] };

export class VirtioInput implements VirtioDevice {
  readonly id = 18;
  readonly name: string;
  readonly queues = [QUEUE_SIZE, QUEUE_SIZE];
  readonly features = 0n;
  readonly config = new Uint8Array(Config.BYTES);
  /** Lights that the driver switched on, by their evdev codes. */
  readonly lights = new Set<number>();
  readonly #profile: InputProfile;
  readonly #enter: (...events: readonly [type: number, code: number, value: number][]) => void;
  #waiting: InputEvent[] = [];
  #host: VirtioHost | null = null;

  constructor(profile: InputProfile, doors: Doors = NO_DOORS) {
    this.#profile = profile;
    this.#enter = doors.door('report', (...events: readonly [type: number, code: number, value: number][]) =>
      this.#take(events),
    );
    this.name = `virtio-input (${profile.name})`;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** Sends events as one report; whole reports are lost if too many wait. */
  report(...events: readonly InputEvent[]): void {
    this.#enter(...events.map(([type, code, value]): [number, number, number] => [type, code, value]));
  }

  #take(events: readonly InputEvent[]): void {
    if (this.#waiting.length + events.length >= MAX_WAITING) return;
    this.#waiting.push(...events, [EventType.SYN, 0, 0]);
    const queue = this.#host?.queue(Queue.EVENTS);
    if (!queue) return;
    queue.beginTurn();
    this.#host?.attempt(() => this.#send(queue));
  }

  notify(index: number, queue: Virtqueue): void {
    if (index === Queue.EVENTS) this.#send(queue);
    else this.#takeStatus(queue);
  }

  writeConfig(offset: number, width: Width, value: number): void {
    if (width !== 1 || offset > Config.SUBSELECT) return;
    this.config[offset] = value;
    const data = this.#answer(this.config[Config.SELECT], this.config[Config.SUBSELECT]);
    this.config[Config.SIZE] = data.length;
    this.config.fill(0, Config.DATA).set(data, Config.DATA);
  }

  save(): InputState {
    return { waiting: this.#waiting.map((event) => [...event]), lights: [...this.lights] };
  }

  load({ waiting, lights }: InputState): void {
    this.#waiting = waiting.map((event) => [...event]);
    this.lights.clear();
    for (const light of lights) this.lights.add(light);
  }

  reset(): void {
    this.#waiting = [];
    this.lights.clear();
    this.config.fill(0);
  }

  #answer(select: number, subselect: number): Uint8Array {
    const { name, events, most = 0 } = this.#profile;
    const codes = events.get(select === Select.ABSOLUTE ? EventType.ABS : subselect);
    if (select === Select.NAME) return new TextEncoder().encode(name);
    if (select === Select.EVENT_BITS && codes) return bitmap(codes);
    if (select !== Select.ABSOLUTE || !codes?.includes(subselect)) return new Uint8Array(0);
    const range = new Uint8Array(ABSOLUTE_BYTES);
    new DataView(range.buffer).setUint32(4, most, true);
    return range;
  }

  #send(queue: Virtqueue): void {
    while (this.#waiting.length > 0) {
      const chain = queue.pop();
      if (!chain) return;
      const [type, code, value] = this.#waiting.shift() as InputEvent;
      const bytes = new Uint8Array(EVENT_BYTES);
      const view = new DataView(bytes.buffer);
      view.setUint16(0, type, true);
      view.setUint16(2, code, true);
      view.setInt32(4, value, true);
      queue.push(chain, chain.write(bytes));
    }
  }

  #takeStatus(queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const bytes = chain.read(EVENT_BYTES);
      const view = new DataView(bytes.buffer);
      if (bytes.length === EVENT_BYTES && view.getUint16(0, true) === EventType.LED) {
        if (view.getUint32(4, true)) this.lights.add(view.getUint16(2, true));
        else this.lights.delete(view.getUint16(2, true));
      }
      queue.push(chain, 0);
    }
  }
}

/** At least a byte, so that an event type without codes is there all the same. */
function bitmap(codes: readonly number[]): Uint8Array {
  const bits = new Uint8Array(Math.floor(Math.max(0, ...codes) / 8) + 1);
  for (const code of codes) bits[code >> 3] |= 1 << (code & 7);
  return bits;
}
