/** The part of a machine by which its embedder talks to the guest: keys, ports, sockets, and its use of memory. */
import type { Display } from '../../devices/display.ts';
import type { I8042 } from '../../devices/i8042.ts';
import { Emitter, type MachineEvents } from '../events.ts';
import type { BalloonControl } from './balloon-control.ts';
import type { HostServices } from './guest-links.ts';
import type { GuestPort } from './guest-port.ts';
import { Keyboard, Mouse } from './input.ts';
import { Screen } from './screen.ts';
import type { VsockHub } from './vsock-hub.ts';

export abstract class HostSide extends Emitter<MachineEvents> {
  readonly keyboard: Keyboard;
  readonly mouse: Mouse;
  readonly screen: Screen;
  readonly #services: HostServices;

  constructor(services: HostServices, board: { readonly i8042: I8042; readonly display: Display }) {
    super(['console', 'exit', 'vmexit', 'reboot', 'log']);
    this.#services = services;
    this.keyboard = new Keyboard(() => board.i8042);
    this.mouse = new Mouse(() => board.i8042);
    this.screen = new Screen(() => board.display);
  }

  /** The host's end of the port of a virtserialport, or of a virtconsole ('hvc0' where it has no name). Throws RangeError. */
  port(name: string): GuestPort {
    return this.#services.port(name);
  }

  /** How much memory the guest keeps. */
  get balloon(): BalloonControl {
    return this.#services.balloon;
  }

  /** Sockets between guest and host. */
  get vsock(): VsockHub {
    return this.#services.vsock;
  }
}
