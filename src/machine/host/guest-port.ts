/** Named ports between programs of the guest and the embedder: the host's ends, which outlive a reset of the machine. */
import { check, isBytes, isEither, isText } from '../../checks.ts';
import type { ConsolePort, PortParts } from '../../devices/virtio/console-port.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import { copyOf, type Saved } from '../../saved.ts';
import { Emitter } from '../events.ts';

export interface GuestPortEvents {
  /** The guest wrote; the bytes are the listener's to keep. */
  data: (bytes: Uint8Array) => void;
  /** A program of the guest opened the port, or closed it. */
  opened: (isOpen: boolean) => void;
}

export class GuestPort extends Emitter<GuestPortEvents> implements Saved<Uint8Array[]> {
  readonly name: string;
  #port: ConsolePort | null = null;
  readonly #early: Uint8Array[] = [];

  readonly #enter: (bytes: Uint8Array) => void;

  constructor(name: string, doors: Doors = NO_DOORS) {
    super(['data', 'opened']);
    this.name = name;
    this.#enter = doors.door(`port[${name}]`, (bytes: Uint8Array) => {
      if (this.#port) this.#port.send(bytes);
      else this.#early.push(bytes.slice());
    });
  }

  /** Whether a program of the guest has the port open. */
  get isOpen(): boolean {
    return this.#port?.isGuestOpen ?? false;
  }

  /** Sends bytes, or text as UTF-8; they wait until a program of the guest opens the port and reads. */
  send(data: string | Uint8Array): void {
    check(`port '${this.name}': send`, data, isEither(isText, isBytes));
    this.#enter(typeof data === 'string' ? new TextEncoder().encode(data) : data);
  }

  /** What was sent before there was a device; what is sent afterwards waits in the device. */
  save(): Uint8Array[] {
    return copyOf(this.#early);
  }

  load(early: Uint8Array[]): void {
    this.#early.splice(0, this.#early.length, ...copyOf(early));
  }

  /** For the machine: what a device's port is made of to end here. */
  get parts(): Pick<PortParts, 'output' | 'opened'> {
    return { output: (bytes) => this.emit('data', bytes), opened: (isOpen) => this.emit('opened', isOpen) };
  }

  /** For the machine: the port as the device has it now. */
  attach(port: ConsolePort): void {
    this.#port = port;
    for (const bytes of this.#early.splice(0)) port.send(bytes);
  }
}
