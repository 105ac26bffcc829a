/**
 * Console device with its one port (virtio 1.2, 5.3 "Console Device"): bytes both ways, the size of the host's window,
 * and the emergency write for a driver that is not up yet.
 */
import type { Width } from '../../core-types.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GuestError } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';

/** virtio 1.2, 5.3.3 "Feature bits". */
export const ConsoleFeature = { SIZE: 1n << 0n, EMERG_WRITE: 1n << 2n } as const;

const Queue = { RECEIVE: 0, TRANSMIT: 1 } as const;
/** virtio 1.2, 5.3.4 "Device configuration layout": cols, rows, max_nr_ports, emerg_wr. */
const CONFIG_BYTES = 12;
const EMERG_WR = 8;
const MAX_OUTPUT_BYTES = 16 << 20;

export class VirtioConsole implements VirtioDevice {
  readonly id = 3;
  readonly name = 'virtio-console';
  readonly queues = [64, 64];
  readonly features = ConsoleFeature.SIZE | ConsoleFeature.EMERG_WRITE;
  readonly config = new Uint8Array(CONFIG_BYTES);
  readonly #output: (bytes: Uint8Array) => void;
  #host: VirtioHost | null = null;
  /** What the guest has not received yet; a reset by the driver does not lose it. */
  readonly #input: Uint8Array[] = [];

  /** `output` receives what the guest writes; the bytes are its own to keep. */
  constructor(output: (bytes: Uint8Array) => void) {
    this.#output = output;
    this.#setSize(80, 25);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** Queues bytes for the guest to receive, until it offers buffers for them. */
  send(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#input.push(bytes.slice());
    const queue = this.#host?.queue(Queue.RECEIVE);
    if (!queue) return;
    queue.beginTurn();
    this.#host?.attempt(() => this.#receive(queue));
  }

  /** Tells the guest the size of the window, in characters (below 65536). */
  resize(columns: number, rows: number): void {
    this.#setSize(columns, rows);
    this.#host?.configChanged();
  }

  notify(index: number, queue: Virtqueue): void {
    if (index === Queue.RECEIVE) this.#receive(queue);
    else this.#transmit(queue);
  }

  writeConfig(offset: number, _width: Width, value: number): void {
    if (offset === EMERG_WR) this.#output(Uint8Array.of(value));
  }

  #receive(queue: Virtqueue): void {
    while (this.#input.length > 0) {
      const chain = queue.pop();
      if (!chain) return;
      while (this.#input.length > 0) {
        const taken = chain.write(this.#input[0]);
        if (taken < this.#input[0].length) {
          this.#input[0] = this.#input[0].subarray(taken);
          break;
        }
        this.#input.shift();
      }
      queue.push(chain, chain.written);
    }
  }

  #transmit(queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      if (chain.readable > MAX_OUTPUT_BYTES) {
        throw new GuestError(`console output of ${chain.readable} bytes; the limit is ${MAX_OUTPUT_BYTES}`);
      }
      if (chain.readable > 0) this.#output(chain.read(chain.readable));
      queue.push(chain, 0);
    }
  }

  #setSize(columns: number, rows: number): void {
    const view = new DataView(this.config.buffer);
    view.setUint16(0, columns, true);
    view.setUint16(2, rows, true);
  }
}
