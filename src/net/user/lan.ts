/**
 * The guest's side of the user-mode network: frames out, in order and held while the guest has no room; who is where;
 * long datagrams in fragments, and fragments put together.
 */
import { copyOf, type Saved } from '../../saved.ts';
import { BROADCAST_IP, BROADCAST_MAC } from '../addresses.ts';
import type { NetCard, Offload } from '../backend.ts';
import { IPV4_BYTES, makeArp, makePacket, type Packet, type PacketHead } from './packet.ts';

/** Ours, on the local network only. */
const MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
const MTU = 1500;
const MOST_HELD = 256;
const MOST_NEIGHBOURS = 256;
const MOST_REASSEMBLIES = 16;
const MOST_DATAGRAM = 0xffff;
/** What fragments of one datagram may cost: as many as a link of 68 bytes makes of the longest (RFC 791). */
const MOST_KEPT = 256 << 10;
/** What a fragment costs besides its bytes. */
const FRAGMENT_BYTES = 128;
const FRAGMENT_UNIT = 8;

interface Reassembly {
  parts: Map<number, Uint8Array>;
  /** Bytes in all; known once the last fragment is there. */
  length: number;
  /** What is kept for it, in bytes. */
  kept: number;
  first: Packet | null;
}

export type LanState = {
  neighbours: { ip: number; mac: Uint8Array }[];
  reassemblies: {
    key: string;
    parts: { at: number; bytes: Uint8Array }[];
    length: number;
    kept: number;
    first: Packet | null;
  }[];
  held: { frame: Uint8Array; offload: Offload | null }[];
  id: number;
};

export class Lan implements Saved<LanState> {
  card: NetCard | null = null;
  readonly #gateway: number;
  readonly #neighbours = new Map<number, Uint8Array>();
  readonly #reassemblies = new Map<string, Reassembly>();
  #held: { frame: Uint8Array; offload?: Offload }[] = [];
  #id = 0;

  constructor(gateway: number) {
    this.#gateway = gateway;
  }

  /** The guest is gone, or new. */
  reset(card: NetCard): void {
    this.card = card;
    this.#neighbours.clear();
    this.#reassemblies.clear();
    this.#held = [];
  }

  save(): LanState {
    return {
      neighbours: [...this.#neighbours].map(([ip, mac]) => ({ ip, mac: mac.slice() })),
      reassemblies: [...this.#reassemblies].map(([key, { parts, length, kept, first }]) => ({
        key,
        parts: [...parts].map(([at, bytes]) => ({ at, bytes: bytes.slice() })),
        length,
        kept,
        first: copyOf(first),
      })),
      held: this.#held.map(({ frame, offload = null }) => copyOf({ frame, offload })),
      id: this.#id,
    };
  }

  load({ neighbours, reassemblies, held, id }: LanState): void {
    this.#neighbours.clear();
    for (const { ip, mac } of neighbours) this.#neighbours.set(ip, mac.slice());
    this.#reassemblies.clear();
    for (const { key, parts, length, kept, first } of reassemblies) {
      const pieces = new Map(parts.map(({ at, bytes }) => [at, bytes.slice()]));
      this.#reassemblies.set(key, { parts: pieces, length, kept, first: copyOf(first) });
    }
    this.#held = held.map(({ frame, offload }) => ({ frame: frame.slice(), offload: offload ?? undefined }));
    this.#id = id;
  }

  learn(ip: number, frame: Uint8Array): void {
    if (ip === 0 || ip === BROADCAST_IP) return;
    if (this.#neighbours.size >= MOST_NEIGHBOURS && !this.#neighbours.has(ip)) this.#neighbours.clear();
    this.#neighbours.set(ip, frame.slice(6, 12));
  }

  /** Whether the guest has room: nothing is held. */
  get isClear(): boolean {
    return this.#held.length === 0;
  }

  /** Sends what was held. Returns whether all of it found room. */
  flushHeld(): boolean {
    let sent = 0;
    while (sent < this.#held.length && this.card?.receive(this.#held[sent].frame, this.#held[sent].offload)) sent++;
    this.#held.splice(0, sent);
    return this.isClear;
  }

  /** Sends a frame, now or when there is room; drops it if too many wait. */
  transmit(frame: Uint8Array, offload?: Offload): void {
    if (this.isClear && this.card?.receive(frame, offload)) return;
    if (this.#held.length < MOST_HELD) this.#held.push({ frame, offload });
  }

  /** Answers "who has `ip`?" to whom asked. */
  answerArp(ip: number, request: Uint8Array, asker: number): void {
    this.transmit(makeArp({ mac: MAC, ip }, { mac: request.slice(6, 12), ip: asker }, false));
  }

  /** Addresses a frame; asks for the neighbour and returns false if it is not known yet. */
  address(frame: Uint8Array, ip: number): boolean {
    const mac = ip === BROADCAST_IP ? BROADCAST_MAC : this.#neighbours.get(ip);
    if (!mac) {
      this.transmit(makeArp({ mac: MAC, ip: this.#gateway }, { mac: BROADCAST_MAC, ip }, true));
      return false;
    }
    frame.set(mac);
    frame.set(MAC, 6);
    return true;
  }

  nextId(): number {
    return (this.#id = (this.#id + 1) & 0xffff);
  }

  /** Sends a datagram, in fragments where it is too long for one frame (RFC 791, "Fragmentation"). */
  sendDatagram(head: Omit<PacketHead, 'id'>, data: Uint8Array): void {
    const id = this.nextId();
    const most = MTU - IPV4_BYTES;
    const step = most & ~7;
    const isWhole = data.length <= most;
    for (let offset = 0; offset === 0 || offset < data.length; offset += isWhole ? most : step) {
      const part = isWhole ? data : data.subarray(offset, offset + step);
      const hasMore = offset + part.length < data.length;
      const { frame, at } = makePacket({ ...head, id }, part.length, isWhole ? undefined : { offset, hasMore });
      frame.set(part, at);
      if (this.address(frame, head.destination)) this.transmit(frame);
    }
  }

  /** The whole packet that a fragment completes; null while some are missing. */
  reassemble(packet: Packet): Packet | null {
    if (packet.fragmentOffset === 0 && !packet.hasMoreFragments) return packet;
    const end = packet.fragmentOffset + packet.payload.length;
    const isCut = packet.hasMoreFragments && packet.payload.length % FRAGMENT_UNIT !== 0;
    if (end > MOST_DATAGRAM || packet.payload.length === 0 || isCut) return null;
    const key = [packet.source, packet.destination, packet.protocol, packet.id].join();
    const entry = this.#reassemblies.get(key) ?? { parts: new Map(), length: -1, kept: 0, first: null };
    this.#reassemblies.delete(key);
    entry.kept += FRAGMENT_BYTES + packet.payload.length;
    if (entry.kept > MOST_KEPT) return null;
    const own = { ...packet, header: packet.header.slice(), payload: packet.payload.slice() };
    entry.parts.set(packet.fragmentOffset, own.payload);
    if (!packet.hasMoreFragments) entry.length = end;
    if (packet.fragmentOffset === 0) entry.first = own;
    const payload = join(entry);
    if (payload && entry.first) return { ...entry.first, hasMoreFragments: false, payload };
    if (this.#reassemblies.size >= MOST_REASSEMBLIES) {
      this.#reassemblies.delete(this.#reassemblies.keys().next().value as string);
    }
    this.#reassemblies.set(key, entry);
    return null;
  }
}

/** The bytes of a datagram whose fragments are all there, one after the other. */
function join({ parts, length }: Reassembly): Uint8Array | null {
  if (length < 0) return null;
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const part = parts.get(at);
    if (!part || part.length === 0 || at + part.length > length) return null;
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
