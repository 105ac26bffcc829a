/**
 * The seam between a network card and what is at the other end of its cable. Everything in src/net runs in Node and in
 * web pages; anything that can carry Ethernet frames becomes a network by implementing NetBackend.
 */
import { isObject } from '../checks.ts';
import type { Doors } from '../doors.ts';
import type { Plain } from '../saved.ts';

/** What the sender left undone on a frame, to be done by whoever needs it. */
export type Offload = {
  /**
   * Where the sum of TCP or UDP begins. It is not made yet: its field, at `checksumStart + checksumOffset`, holds the
   * sum of the pseudo header.
   */
  checksumStart: number;
  checksumOffset: number;
  /** Bytes of payload per segment, where the frame is several segments of TCP over IPv4 in one; otherwise 0. */
  segmentBytes: number;
};

/** Something that is done later: its callback is known from the beginning, the time comes with `arm`. */
export interface NetTimer {
  /** When it fires, in nanoseconds since power-on; null while it is not armed. */
  readonly deadline: bigint | null;
  /** Lets it fire once, at the first instruction boundary that is reached at or after `deadline`, and at no other time. */
  arm(deadline: bigint): void;
  cancel(): void;
  /** Ends it for good: its name is free again. */
  remove(): void;
}

/** Virtual time, as devices know it: nanoseconds since power-on. */
export interface NetClock {
  now(): bigint;
  /** A timer of a name that its owner has no other of. Throws Error where it has. */
  timer(name: string, fires: () => void): NetTimer;
}

/**
 * How a backend says that it deals with the world outside the machine, whose time is not the guest's. The functions
 * returned may be called more than once.
 */
export interface HostWork {
  /** An answer of the host is under way. Until the returned function is called, idle time passes no faster than the host's. */
  begin(): () => void;
  /** The host may begin something at any time: until the returned function is called, a guest that sleeps has not halted. */
  expect(): () => void;
  /** To be called before what the host did is shown to the guest: the time that it slept meanwhile passes. */
  arrived(): void;
}

/** The network card, as its backend sees it. */
export interface NetCard {
  /** What the card's driver takes of frames with work left undone. */
  readonly takes: { readonly checksum: boolean; readonly segments: boolean };
  readonly clock: NetClock;
  readonly host: HostWork;
  /** By which a network that is a part of the machine lets in what its host does. */
  readonly doors: Doors;
  /**
   * Hands a frame to the guest, which copies it. Returns false if there is no room: the backend may keep the frame
   * until it hears `ready`. A card without a driver drops the frame and returns true.
   */
  receive(frame: Uint8Array, offload?: Offload): boolean;
  /** Plugs the cable in or out. */
  setLink(isUp: boolean): void;
}

export interface NetBackend {
  /**
   * The network is a part of the machine: it does the same in equal runs, and whatever its host does comes in by the doors
   * of the card. Otherwise every frame comes from outside.
   */
  readonly usesDoors?: boolean;
  /** Whether `send` takes frames with work left undone. */
  readonly takesOffload: boolean;
  /** Plugged into a card. After a power cycle of the machine it is another one, and the guest knows nothing any more. */
  attach(card: NetCard): void;
  /** Takes an Ethernet frame of the guest, without its check sequence; the bytes are the backend's own to keep. */
  send(frame: Uint8Array, offload?: Offload): void;
  /** The guest has sent what it had: a good moment to answer it all. */
  flush?(): void;
  /** The card has room again, after `receive` returned false. */
  ready?(): void;
  /** Ends all dealings with the host. */
  close?(): void;
  /**
   * What a guest can tell apart, as plain data; `card` is the one that asks. A network without `save` and `load` keeps
   * nothing of the guest, or loses it when the machine is put back.
   */
  save?(card: NetCard): Plain;
  load?(card: NetCard, state: Plain): void;
}

/** Whether a value is such a network. */
export const isBackend = isObject(['attach', 'send']);

/** A host that never does anything: for backends within one process, and for tests. */
export const NO_HOST: HostWork = { begin: () => () => {}, expect: () => () => {}, arrived: () => {} };
