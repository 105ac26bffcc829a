/** What the embedder's side of a machine keeps while devices come and go with resets. */
import type { FileTree } from '../../devices/p9/file-tree.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import type { HostWork } from '../../net/backend.ts';
import type { Plain, Saved } from '../../saved.ts';
import type { RandomSource } from '../state/random.ts';
import { BalloonControl, type BalloonState } from './balloon-control.ts';
import { GuestPort } from './guest-port.ts';
import { VsockHub } from './vsock-hub.ts';

type LinksState = { random: Plain; balloon: BalloonState; ports: { [name: string]: Uint8Array[] } };

/** The state is what the guest will see of the embedder's ends: entropy, the balloon's target, bytes for ports. */
export class GuestLinks implements Saved<LinksState> {
  readonly balloon: BalloonControl;
  readonly vsock: VsockHub;
  readonly random: RandomSource;
  readonly #doors: Doors;
  readonly #folders: Readonly<Record<string, FileTree>>;
  readonly #ports = new Map<string, GuestPort>();

  /** `now` is the date as the guest counts it, in milliseconds since 1970. */
  constructor(
    host: HostWork,
    random: RandomSource,
    folders: Readonly<Record<string, FileTree>> = {},
    now: () => number = () => 0,
    doors: Doors = NO_DOORS,
  ) {
    this.#doors = doors;
    this.balloon = new BalloonControl(doors);
    this.vsock = new VsockHub(host, doors);
    this.random = random;
    this.#folders = folders;
    for (const folder of Object.values(folders)) folder.useClock?.(now);
  }

  save(): LinksState {
    const ports = Object.fromEntries([...this.#ports].map(([name, port]) => [name, port.save()]));
    return { random: this.random.save(), balloon: this.balloon.save(), ports };
  }

  load({ random, balloon, ports }: LinksState): void {
    this.random.load(random);
    this.balloon.load(balloon);
    for (const [name, early] of Object.entries(ports)) this.#ports.get(name)?.load(early);
  }

  /** The folder with this id. Throws RangeError where there is none. */
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
    const port = this.#ports.get(name) ?? new GuestPort(name, this.#doors);
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
