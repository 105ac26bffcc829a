/** Sockets between the guest and the embedder: who listens at the host. Listeners outlive a reset, connections do not. */
import { check, isFunction } from '../../checks.ts';
import { VirtioVsock } from '../../devices/virtio/vsock.ts';
import type { VsockConnection } from '../../devices/virtio/vsock-connection.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import type { HostWork } from '../../net/backend.ts';

export type VsockListener = (connection: VsockConnection) => void;

const LAST_PORT = 0xffff_fffe;

export class VsockHub {
  /** For listeners whose answers come from outside of the process: an idle guest waits for them. */
  readonly host: HostWork;
  readonly #listeners = new Map<number, VsockListener>();
  #others: ((port: number) => VsockListener | undefined) | null = null;
  #device: VirtioVsock | null = null;
  readonly #doors: Doors;
  /** A socket of the host that the guest's sockets are to be reached by; whoever can make one looks here. */
  path: string | undefined;

  constructor(host: HostWork, doors: Doors = NO_DOORS) {
    this.host = host;
    this.#doors = doors;
  }

  /** For the machine: a new device. */
  connectDevice(cid: number, path?: string): VirtioVsock {
    this.path = path;
    const accept = (port: number): VsockListener | undefined => this.#listeners.get(port) ?? this.#others?.(port);
    this.#device = new VirtioVsock(cid, accept, this.#doors);
    return this.#device;
  }

  /** Accepts connections of the guest to `port` of the host (CID 2); returns how to stop. */
  listen(port: number, listener: VsockListener): () => void {
    checkPort(port);
    check(`vsock.listen(${port}): the listener`, listener, isFunction);
    if (this.#listeners.has(port)) throw new RangeError(`vsock port ${port} is taken`);
    this.#listeners.set(port, listener);
    return () => {
      this.#listeners.delete(port);
    };
  }

  /** Asked for ports on which nothing listens. */
  set fallback(find: (port: number) => VsockListener | undefined) {
    this.#others = find;
  }

  /** Connects to a port of the guest; the connection's events tell how that went. */
  connect(port: number): VsockConnection {
    checkPort(port);
    if (!this.#device) throw new RangeError('this machine has no sockets: add the device vhost-vsock');
    return this.#device.connect(port);
  }
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > LAST_PORT) {
    throw new RangeError(`vsock port ${port} is not possible: 0 to ${LAST_PORT}`);
  }
}
