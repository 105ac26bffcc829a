/** One port of a console device, as its host end sees it: bytes both ways, and who has the port open. */
import { copyOf, type Saved } from '../../saved.ts';
import type { Virtqueue } from './queue.ts';

export interface PortParts {
  /** Appears in the guest as /sys/class/virtio-ports/*\/name and, by udev, in /dev/virtio-ports. */
  name?: string;
  /** A console for the guest (hvc0, ..) instead of a channel between programs. */
  isConsole?: boolean;
  /** Receives what the guest writes; the bytes are its own to keep. */
  output: (bytes: Uint8Array) => void;
  /** A program of the guest opened or closed the port. */
  opened?: (isOpen: boolean) => void;
}

export type PortState = { input: Uint8Array[]; isGuestOpen: boolean; isConnected: boolean };

export class ConsolePort implements Saved<PortState> {
  readonly id: number;
  readonly parts: PortParts;
  readonly #changed: (port: ConsolePort, what: 'input' | 'connection') => void;
  /** What the guest has not received yet; a reset by the driver does not lose it. */
  readonly #input: Uint8Array[] = [];
  #isGuestOpen = false;
  #isConnected = true;

  constructor(id: number, parts: PortParts, changed: (port: ConsolePort, what: 'input' | 'connection') => void) {
    this.id = id;
    this.parts = parts;
    this.#changed = changed;
  }

  /** Queues bytes for the guest to receive, until it has the port open and offers buffers for them. */
  send(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#input.push(bytes.slice());
    this.#changed(this, 'input');
  }

  /** Whether a program of the guest has the port open. */
  get isGuestOpen(): boolean {
    return this.#isGuestOpen;
  }

  set isGuestOpen(isOpen: boolean) {
    if (isOpen === this.#isGuestOpen) return;
    this.#isGuestOpen = isOpen;
    this.parts.opened?.(isOpen);
  }

  /** Whether there is a reader at the host's end; true at first. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  set isConnected(isConnected: boolean) {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    this.#changed(this, 'connection');
  }

  save(): PortState {
    return { input: copyOf(this.#input), isGuestOpen: this.#isGuestOpen, isConnected: this.#isConnected };
  }

  /** Nobody is told: what happened was told when it did. */
  load({ input, isGuestOpen, isConnected }: PortState): void {
    this.#input.splice(0, this.#input.length, ...copyOf(input));
    this.#isGuestOpen = isGuestOpen;
    this.#isConnected = isConnected;
  }

  /** Moves waiting input into the driver's buffers. */
  receive(queue: Virtqueue): void {
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
}
