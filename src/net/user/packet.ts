/** Frames taken apart and put together: Ethernet, ARP, IPv4 (RFC 791) and UDP (RFC 768). */
import type { Offload } from '../backend.ts';
import { addWords, fold, get16, get32, pseudoHeader, put16, put32 } from '../bytes.ts';

export const EtherType = { IPV4: 0x0800, ARP: 0x0806 } as const;
export const Protocol = { ICMP: 1, TCP: 6, UDP: 17 } as const;

export const ETHERNET_BYTES = 14;
export const IPV4_BYTES = 20;
export const UDP_BYTES = 8;
const IHL_5 = 0x45;
const TTL = 64;
const MORE_FRAGMENTS = 0x2000;
const DONT_FRAGMENT = 0x4000;
const OFFSET_UNIT = 8;

export type Packet = {
  source: number;
  destination: number;
  protocol: number;
  ttl: number;
  id: number;
  /** Of this fragment's bytes in the datagram. */
  fragmentOffset: number;
  hasMoreFragments: boolean;
  /** Header and, cut at the limit of the datagram, what follows. */
  header: Uint8Array;
  payload: Uint8Array;
};

/** The IPv4 packet in a frame; null if it is none, or damaged. */
export function parsePacket(frame: Uint8Array): Packet | null {
  const at = ETHERNET_BYTES;
  if (frame.length < at + IPV4_BYTES || frame[at] >> 4 !== 4) return null;
  const headerEnd = at + 4 * (frame[at] & 15);
  const end = at + get16(frame, at + 2);
  if (headerEnd < at + IPV4_BYTES || end < headerEnd || end > frame.length) return null;
  if (fold(addWords(frame, at, headerEnd)) !== 0xffff) return null;
  const flags = get16(frame, at + 6);
  return {
    source: get32(frame, at + 12),
    destination: get32(frame, at + 16),
    protocol: frame[at + 9],
    ttl: frame[at + 8],
    id: get16(frame, at + 4),
    fragmentOffset: (flags & 0x1fff) * OFFSET_UNIT,
    hasMoreFragments: (flags & MORE_FRAGMENTS) !== 0,
    header: frame.subarray(at, headerEnd),
    payload: frame.subarray(headerEnd, end),
  };
}

export interface PacketHead {
  source: number;
  destination: number;
  protocol: number;
  id: number;
}

/** A frame with room for `length` bytes of payload after its IPv4 header; Ethernet addresses are still to be set. */
export function makePacket(
  { source, destination, protocol, id }: PacketHead,
  length: number,
  fragment?: { offset: number; hasMore: boolean },
): { frame: Uint8Array; at: number } {
  const at = ETHERNET_BYTES;
  const end = at + IPV4_BYTES;
  const frame = new Uint8Array(end + length);
  put16(frame, 12, EtherType.IPV4);
  frame[at] = IHL_5;
  put16(frame, at + 2, IPV4_BYTES + length);
  put16(frame, at + 4, id & 0xffff);
  const flags = fragment ? fragment.offset / OFFSET_UNIT + (fragment.hasMore ? MORE_FRAGMENTS : 0) : DONT_FRAGMENT;
  put16(frame, at + 6, flags);
  frame[at + 8] = TTL;
  frame[at + 9] = protocol;
  put32(frame, at + 12, source);
  put32(frame, at + 16, destination);
  put16(frame, at + 10, ~fold(addWords(frame, at, end)) & 0xffff);
  return { frame, at: end };
}

/** Whether the checksum of a TCP segment or UDP datagram is right; one that an offload left undone is. */
export function isSumRight({ source, destination, protocol, payload }: Packet, offload?: Offload): boolean {
  if (offload) return true;
  const pseudo = pseudoHeader(source, destination, protocol, payload.length);
  return fold(addWords(payload, 0, payload.length, pseudo)) === 0xffff;
}

/** A UDP datagram: header with checksum, and data. */
export function makeDatagram(
  source: { ip: number; port: number },
  destination: { ip: number; port: number },
  data: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(UDP_BYTES + data.length);
  put16(bytes, 0, source.port);
  put16(bytes, 2, destination.port);
  put16(bytes, 4, bytes.length);
  bytes.set(data, UDP_BYTES);
  const pseudo = pseudoHeader(source.ip, destination.ip, Protocol.UDP, bytes.length);
  const sum = ~fold(addWords(bytes, 0, bytes.length, pseudo)) & 0xffff;
  put16(bytes, 6, sum === 0 ? 0xffff : sum);
  return bytes;
}

/** What an Ethernet ARP packet for IPv4 says (RFC 826); null if it is none. */
export function parseArp(frame: Uint8Array): { isRequest: boolean; sender: number; target: number } | null {
  const at = ETHERNET_BYTES;
  if (frame.length < at + 28 || get16(frame, at) !== 1 || get16(frame, at + 2) !== EtherType.IPV4) return null;
  return { isRequest: get16(frame, at + 6) === 1, sender: get32(frame, at + 14), target: get32(frame, at + 24) };
}

/** An ARP frame from `from`; a request where the target's address is not known. */
export function makeArp(
  from: { mac: Uint8Array; ip: number },
  to: { mac: Uint8Array; ip: number },
  isRequest: boolean,
): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set(to.mac);
  frame.set(from.mac, 6);
  put16(frame, 12, EtherType.ARP);
  const at = ETHERNET_BYTES;
  put16(frame, at, 1);
  put16(frame, at + 2, EtherType.IPV4);
  put16(frame, at + 4, 0x0604);
  put16(frame, at + 6, isRequest ? 1 : 2);
  frame.set(from.mac, at + 8);
  put32(frame, at + 14, from.ip);
  if (!isRequest) frame.set(to.mac, at + 18);
  put32(frame, at + 24, to.ip);
  return frame;
}
