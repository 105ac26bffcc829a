/**
 * A virtual switch between cards of one process, in one machine or several; and, where it has an uplink, between them and
 * a network. It learns who is where from the senders of frames. The idle time of a machine with a port passes as the
 * host's, because it is unknown when another machine will answer.
 */
import { check } from '../checks.ts';
import { isBackend, type NetBackend, type NetCard } from './backend.ts';

const MOST_ADDRESSES = 1024;
/** Frames that wait for a card without room. */
const MOST_HELD = 512;

interface Port {
  /** Takes a frame at once or holds it. */
  deliver(frame: Uint8Array): void;
}

const addressAt = (frame: Uint8Array, at: number): string => frame.subarray(at, at + 6).join();

export class Switch {
  readonly #ports = new Set<Port>();
  readonly #addresses = new Map<string, Port>();
  #uplink: NetBackend | null = null;
  readonly #dropped = { full: 0 };

  /** Frames lost for want of room at their port. */
  get dropped(): number {
    return this.#dropped.full;
  }

  /** A new port, to be plugged into a card. */
  port(): NetBackend {
    let card: NetCard | null = null;
    let held: Uint8Array[] = [];
    let release = (): void => {};
    const port: Port = {
      deliver: (frame) => {
        if (!card) return;
        card.host.arrived();
        if (held.length === 0 && card.receive(frame)) return;
        if (held.length < MOST_HELD) held.push(frame);
        else this.#dropped.full++;
      },
    };
    this.#ports.add(port);
    return {
      takesOffload: false,
      attach: (own) => {
        card = own;
        held = [];
        release();
        release = own.host.begin();
        this.#plugUplink(own);
      },
      send: (frame) => this.#forward(frame, port),
      flush: () => this.#uplink?.flush?.(),
      ready: () => {
        let sent = 0;
        while (sent < held.length && card?.receive(held[sent])) sent++;
        held = held.slice(sent);
      },
      close: () => {
        card = null;
        release();
        this.#forget(port);
      },
    };
  }

  /**
   * Connects the switch with a network, whose time is that of the card that was plugged in first. To be called before
   * the machines are made. Throws if there is one already.
   */
  connect(uplink: NetBackend): void {
    check('Switch.connect', uplink, isBackend);
    if (this.#uplink) throw new Error('the switch has an uplink already');
    this.#uplink = uplink;
    this.#ports.add(this.#uplinkPort);
  }

  readonly #uplinkPort: Port = {
    deliver: (frame) => this.#uplink?.send(frame),
  };

  #isPlugged = false;

  #plugUplink({ clock, host }: NetCard): void {
    if (!this.#uplink || this.#isPlugged) return;
    this.#isPlugged = true;
    this.#uplink.attach({
      takes: { checksum: false, segments: false },
      clock,
      host,
      setLink: () => {},
      receive: (frame) => {
        this.#forward(frame, this.#uplinkPort);
        return true;
      },
    });
  }

  #forward(frame: Uint8Array, from: Port): void {
    if (frame.length < 12) return;
    if (!(frame[6] & 1)) {
      if (this.#addresses.size >= MOST_ADDRESSES) this.#addresses.clear();
      this.#addresses.set(addressAt(frame, 6), from);
    }
    const known = frame[0] & 1 ? undefined : this.#addresses.get(addressAt(frame, 0));
    for (const port of known ? [known] : this.#ports) if (port !== from) port.deliver(frame);
  }

  #forget(port: Port): void {
    this.#ports.delete(port);
    for (const [address, owner] of this.#addresses) if (owner === port) this.#addresses.delete(address);
  }
}
