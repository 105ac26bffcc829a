/** What the embedder's side of a machine keeps while devices come and go with resets. */
import type { FileTree } from '../../devices/p9/file-tree.ts';
import type { HostWork } from '../../net/backend.ts';
import type { RandomSource } from '../state/random.ts';
import { BalloonControl } from './balloon-control.ts';
import { GuestPort } from './guest-port.ts';
import { VsockHub } from './vsock-hub.ts';

export class GuestLinks {
  readonly balloon = new BalloonControl();
  readonly vsock: VsockHub;
  readonly random: RandomSource;
  readonly #folders: Readonly<Record<string, FileTree>>;
  readonly #ports = new Map<string, GuestPort>();

  /** `now` is the date as the guest counts it, in milliseconds since 1970. */
  constructor(
    host: HostWork,
    random: RandomSource,
    folders: Readonly<Record<string, FileTree>> = {},
    now: () => number = () => 0,
  ) {
    this.vsock = new VsockHub(host);
    this.random = random;
    this.#folders = folders;
    for (const folder of Object.values(folders)) folder.useClock?.(now);
  }

  /** The folder with this id. Throws RangeError if there is none. */
  folder(id: string): FileTree {
    if (!Object.hasOwn(this.#folders, id)) {
      throw new RangeError(
        `fsdev '${id}' does not exist; there are ${Object.keys(this.#folders).join(', ') || 'none'}`,
      );
    }
    return this.#folders[id];
  }

  /** For a device: the port of this name, made if it is new. */
  makePort(name: string): GuestPort {
    const port = this.#ports.get(name) ?? new GuestPort(name);
    this.#ports.set(name, port);
    return port;
  }

  /** The port of this name. Throws RangeError if no device has it. */
  port(name: string): GuestPort {
    const port = this.#ports.get(name);
    if (!port) {
      throw new RangeError(`port '${name}' does not exist; there are ${[...this.#ports.keys()].join(', ') || 'none'}`);
    }
    return port;
  }
}
