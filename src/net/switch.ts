/**
 * A virtual switch between cards of one process, in one machine or several; and, where it has an uplink, between them and
 * a network. It learns who is where from the senders of frames. The idle time of a machine with a port passes as the
 * host's, because it is unknown when another machine will answer.
 */
import { check } from '../checks.ts';
import { NO_DOORS } from '../doors.ts';
import { copyOf, type Plain } from '../saved.ts';
import { isBackend, type NetBackend, type NetCard } from './backend.ts';

const MOST_ADDRESSES = 1024;
/** Frames that wait for a card without room. */
const MOST_HELD = 512;

interface Port {
  /** Takes a frame at once or holds it. */
  deliver(frame: Uint8Array): void;
}

/** What waits for a port's card, who is known to be behind it, and the uplink's state where this port speaks for it. */
type PortState = { held: Uint8Array[]; addresses: string[]; uplink: Plain };

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
        if (card && card === this.#timekeeper) this.#timekeeper = own;
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
      save: (): PortState => {
        const addresses = [...this.#addresses].flatMap(([address, owner]) => (owner === port ? [address] : []));
        return { held: copyOf(held), addresses, uplink: this.#saveUplink(card) };
      },
      load: (_card, state) => {
        const { held: frames, addresses, uplink } = state as PortState;
        held = copyOf(frames);
        for (const address of addresses) this.#addresses.set(address, port);
        if (uplink !== null) this.#loadUplink(uplink);
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

  /** The uplink's card, and the machine's card whose time it has. */
  #uplinkCard: NetCard | null = null;
  #timekeeper: NetCard | null = null;

  #plugUplink(card: NetCard): void {
    if (!this.#uplink || this.#timekeeper) return;
    const { clock, host } = card;
    this.#timekeeper = card;
    this.#uplinkCard = {
      takes: { checksum: false, segments: false },
      clock,
      host,
      // What comes through a switch comes from outside by the card's own door.
      doors: NO_DOORS,
      setLink: () => {},
      receive: (frame) => {
        this.#forward(frame, this.#uplinkPort);
        return true;
      },
    };
    this.#uplink.attach(this.#uplinkCard);
  }

  /** The state of the uplink, and who is behind it, for the card whose time it has. */
  #saveUplink(card: NetCard | null): Plain {
    if (!this.#uplinkCard || card !== this.#timekeeper) return null;
    const port = this.#uplinkPort;
    const addresses = [...this.#addresses].flatMap(([address, owner]) => (owner === port ? [address] : []));
    return { addresses, network: this.#uplink?.save?.(this.#uplinkCard) ?? null };
  }

  #loadUplink(state: Plain): void {
    const { addresses, network } = state as { addresses: string[]; network: Plain };
    for (const address of addresses) this.#addresses.set(address, this.#uplinkPort);
    if (this.#uplinkCard && network !== null) this.#uplink?.load?.(this.#uplinkCard, network);
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
