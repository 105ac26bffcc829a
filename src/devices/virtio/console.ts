/**
 * Console device (virtio 1.2, 5.3 "Console Device"): ports with bytes both ways and, where there are several or they
 * have names, the control queues that tell the driver about them; the size of the host's window, and the emergency write
 * for a driver that is not up yet.
 */
import type { Width } from '../../core/types.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import { copyOf } from '../../saved.ts';
import { ConsolePort, type PortParts, type PortState } from './console-port.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GuestError } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';

/** virtio 1.2, 5.3.3 "Feature bits". */
export const ConsoleFeature = { SIZE: 1n << 0n, MULTIPORT: 1n << 1n, EMERG_WRITE: 1n << 2n } as const;

/** virtio 1.2, 5.3.6.2 "Multiport Device Operation". */
export const ControlEvent = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;
type ControlEvent = (typeof ControlEvent)[keyof typeof ControlEvent];

/** virtio 1.2, 5.3.2 "Virtqueues": those of port 0, the control queues, then those of ports 1 and up. */
const Queue = { CONTROL_RECEIVE: 2, CONTROL_TRANSMIT: 3 } as const;
const receiveQueue = (port: number): number => (port === 0 ? 0 : 2 * port + 2);
const QUEUE_SIZE = 64;
/** virtio 1.2, 5.3.4 "Device configuration layout": cols, rows, max_nr_ports, emerg_wr. */
const Config = { ROWS: 2, MAX_PORTS: 4, EMERG_WR: 8, BYTES: 12 } as const;
const CONTROL_BYTES = 8;
const MAX_OUTPUT_BYTES = 16 << 20;
const MAX_NAME_BYTES = 255;
/** Control messages that may wait for the driver's buffers. */
const MAX_WAITING = 1024;
export const MAX_CONSOLE_PORTS = 31;

/** Control messages that wait for buffers, and the ports by their numbers. */
type ConsoleState = { control: Uint8Array[]; ports: (PortState | null)[] };

export class VirtioConsole implements VirtioDevice {
  readonly id = 3;
  readonly name = 'virtio-console';
  readonly queues: readonly number[];
  readonly features: bigint;
  readonly config = new Uint8Array(Config.BYTES);
  /** By their numbers in the guest; a number may be left out. */
  readonly ports: readonly (ConsolePort | null)[];
  readonly #view = new DataView(this.config.buffer);
  #host: VirtioHost | null = null;
  #control: Uint8Array[] = [];
  readonly #enterSize: (columns: number, rows: number) => void;

  /** Throws RangeError where there are too many ports or a name is too long. */
  constructor(ports: readonly (PortParts | null)[], doors: Doors = NO_DOORS) {
    this.#enterSize = doors.door('resize', (columns: number, rows: number) => this.#resize(columns, rows));
    if (ports.length < 1 || ports.length > MAX_CONSOLE_PORTS) {
      throw new RangeError(`${ports.length} console ports are not possible: 1 to ${MAX_CONSOLE_PORTS}`);
    }
    for (const name of ports.map((port) => port?.name ?? '')) {
      if (encode(name).length > MAX_NAME_BYTES) {
        throw new RangeError(`port name '${name}' is too long: ${MAX_NAME_BYTES} bytes at most`);
      }
    }
    const isPlain = ports.length === 1 && ports[0]?.isConsole === true && !ports[0].name;
    this.ports = ports.map(
      (parts, id) => parts && new ConsolePort(id, parts, (port, what) => this.#changed(port, what)),
    );
    this.queues = Array<number>(isPlain ? 2 : 2 * ports.length + 2).fill(QUEUE_SIZE);
    this.features = ConsoleFeature.SIZE | ConsoleFeature.EMERG_WRITE | (isPlain ? 0n : ConsoleFeature.MULTIPORT);
    this.#view.setUint32(Config.MAX_PORTS, ports.length, true);
    this.#setSize(80, 25);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** Tells the guest the size of the window, in characters (below 65536). */
  resize(columns: number, rows: number): void {
    this.#enterSize(columns, rows);
  }

  #resize(columns: number, rows: number): void {
    this.#setSize(columns, rows);
    this.#host?.configChanged();
    this.#host?.attempt(() => {
      for (const port of this.ports) if (port?.isGuestOpen && port.parts.isConsole) this.#sendSize(port);
    });
    this.#flushControl();
  }

  notify(index: number, queue: Virtqueue): void {
    if (this.#isMultiport && index === Queue.CONTROL_RECEIVE) this.#receiveControl(queue);
    else if (this.#isMultiport && index === Queue.CONTROL_TRANSMIT) this.#transmitControl(queue);
    else {
      const port = this.ports[index < 2 ? 0 : (index >> 1) - 1];
      if (index & 1) this.#transmit(queue, port);
      else if (port) this.#receive(port, queue);
    }
  }

  writeConfig(offset: number, _width: Width, value: number): void {
    if (offset === Config.EMERG_WR) this.ports[0]?.parts.output(Uint8Array.of(value));
  }

  save(): ConsoleState {
    return { control: copyOf(this.#control), ports: this.ports.map((port) => port?.save() ?? null) };
  }

  load({ control, ports }: ConsoleState): void {
    this.#control = copyOf(control);
    for (const [id, state] of ports.entries()) if (state) this.ports[id]?.load(state);
  }

  reset(): void {
    this.#control = [];
    for (const port of this.ports) if (port) port.isGuestOpen = false;
  }

  get #isMultiport(): boolean {
    return ((this.#host?.features ?? 0n) & ConsoleFeature.MULTIPORT) !== 0n;
  }

  #changed(port: ConsolePort, what: 'input' | 'connection'): void {
    if (what === 'connection') {
      if (!this.#isMultiport || !this.#host?.queue(Queue.CONTROL_RECEIVE)) return;
      this.#host.attempt(() => this.#tell(port.id, ControlEvent.PORT_OPEN, Number(port.isConnected)));
      this.#flushControl();
      return;
    }
    const queue = this.#host?.queue(receiveQueue(port.id));
    if (!queue) return;
    queue.beginTurn();
    this.#host?.attempt(() => this.#receive(port, queue));
  }

  /** A channel's input waits for a program that opens it: a driver may throw away what comes before. */
  #receive(port: ConsolePort, queue: Virtqueue): void {
    if (port.isGuestOpen || port.parts.isConsole || !this.#isMultiport) port.receive(queue);
  }

  #transmit(queue: Virtqueue, port: ConsolePort | null): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      if (chain.readable > MAX_OUTPUT_BYTES) {
        throw new GuestError(`console output of ${chain.readable} bytes; the limit is ${MAX_OUTPUT_BYTES}`);
      }
      if (chain.readable > 0) port?.parts.output(chain.read(chain.readable));
      queue.push(chain, 0);
    }
  }

  #transmitControl(queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const bytes = chain.read(CONTROL_BYTES);
      queue.push(chain, 0);
      if (bytes.length < CONTROL_BYTES) throw new GuestError(`control message of ${bytes.length} bytes`);
      const view = new DataView(bytes.buffer);
      this.#hear(view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true));
    }
    this.#flushControl();
  }

  #hear(id: number, event: number, value: number): void {
    if (event === ControlEvent.DEVICE_READY) {
      if (value === 1) for (const port of this.ports) if (port) this.#tell(port.id, ControlEvent.DEVICE_ADD, 1);
      return;
    }
    const port = this.ports[id];
    if (!port) throw new GuestError(`control message ${event} for port ${id}, which does not exist`);
    if (event === ControlEvent.PORT_READY && value === 1) this.#introduce(port);
    if (event === ControlEvent.PORT_OPEN) {
      port.isGuestOpen = value === 1;
      this.#changed(port, 'input');
    }
  }

  #introduce(port: ConsolePort): void {
    const { isConsole, name } = port.parts;
    if (isConsole) {
      this.#tell(port.id, ControlEvent.CONSOLE_PORT, 1);
      this.#sendSize(port);
    }
    if (name) this.#tell(port.id, ControlEvent.PORT_NAME, 1, encode(name));
    if (port.isConnected) this.#tell(port.id, ControlEvent.PORT_OPEN, 1);
  }

  #sendSize(port: ConsolePort): void {
    this.#tell(port.id, ControlEvent.RESIZE, 0, this.config.slice(0, Config.MAX_PORTS));
  }

  #tell(id: number, event: ControlEvent, value: number, more = new Uint8Array(0)): void {
    if (this.#control.length >= MAX_WAITING) throw new GuestError(`${MAX_WAITING} control messages wait for buffers`);
    const message = new Uint8Array(CONTROL_BYTES + more.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    message.set(more, CONTROL_BYTES);
    this.#control.push(message);
  }

  #flushControl(): void {
    const queue = this.#isMultiport ? this.#host?.queue(Queue.CONTROL_RECEIVE) : null;
    if (!queue) return;
    queue.beginTurn();
    this.#host?.attempt(() => this.#receiveControl(queue));
  }

  #receiveControl(queue: Virtqueue): void {
    while (this.#control.length > 0) {
      const chain = queue.pop();
      if (!chain) return;
      const message = this.#control.shift() as Uint8Array;
      if (chain.writable < message.length) {
        throw new GuestError(`control buffer of ${chain.writable} bytes; the message has ${message.length}`);
      }
      queue.push(chain, chain.write(message));
    }
  }

  #setSize(columns: number, rows: number): void {
    this.#view.setUint16(0, columns, true);
    this.#view.setUint16(Config.ROWS, rows, true);
  }
}

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
