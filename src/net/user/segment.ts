/** TCP segments (RFC 9293, "Header Format"), taken apart and put together. */
import type { Offload } from '../backend.ts';
import { addWords, fold, get16, get32, pseudoHeader, put16, put32 } from '../bytes.ts';
import type { Packet } from './packet.ts';
import { ETHERNET_BYTES, IPV4_BYTES, makePacket, Protocol } from './packet.ts';
import type { Endpoint } from './udp-nat.ts';

export const Flag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
export const TCP_BYTES = 20;
const CHECKSUM_OFFSET = 16;
const Option = { END: 0, NOP: 1, MSS: 2, SCALE: 3 } as const;
const SYN_OPTION_BYTES = 8;
/** RFC 7323, "Window Scale Option": what the peer says beyond this is taken as this. */
const MOST_SCALE = 14;

export interface Segment {
  source: number;
  destination: number;
  seq: number;
  ack: number;
  flags: number;
  /** As it stands in the header. */
  window: number;
  /** Of a SYN; absent if the option is. */
  mss?: number;
  scale?: number;
  payload: Uint8Array;
}

/** The segment in a packet; null if there is none. */
export function parseSegment({ payload: bytes }: Packet): Segment | null {
  const headerBytes = bytes.length < TCP_BYTES ? 0 : 4 * (bytes[12] >> 4);
  if (headerBytes < TCP_BYTES || headerBytes > bytes.length) return null;
  const segment: Segment = {
    source: get16(bytes, 0),
    destination: get16(bytes, 2),
    seq: get32(bytes, 4),
    ack: get32(bytes, 8),
    flags: bytes[13],
    window: get16(bytes, 14),
    payload: bytes.subarray(headerBytes),
  };
  if (segment.flags & Flag.SYN) readOptions(bytes.subarray(TCP_BYTES, headerBytes), segment);
  return segment;
}

function readOptions(options: Uint8Array, segment: Segment): void {
  for (let at = 0; at < options.length && options[at] !== Option.END; ) {
    if (options[at] === Option.NOP) {
      at++;
      continue;
    }
    const length = options[at + 1];
    if (!(length >= 2) || at + length > options.length) return;
    if (options[at] === Option.MSS && length === 4) segment.mss = get16(options, at + 2);
    if (options[at] === Option.SCALE && length === 3) segment.scale = Math.min(options[at + 2], MOST_SCALE);
    at += length;
  }
}

export interface SegmentHead {
  from: Endpoint;
  to: Endpoint;
  seq: number;
  ack: number;
  flags: number;
  window: number;
  /** Options of a SYN. */
  mss?: number;
  scale?: number;
}

export interface SegmentFrame {
  frame: Uint8Array;
  /** Absent if the checksum is made. */
  offload?: Offload;
}

/**
 * A frame with one segment, or with several in one where `cut` says how long each is. `fill` puts the payload into its
 * place; `isSumLeft`: the card's driver makes or ignores the checksum.
 */
export function makeSegment(
  head: SegmentHead,
  id: number,
  payloadBytes: number,
  fill: (target: Uint8Array) => void,
  { cut, isSumLeft }: { cut: number; isSumLeft: boolean },
): SegmentFrame {
  const { from, to } = head;
  const optionBytes = head.mss === undefined ? 0 : SYN_OPTION_BYTES;
  const length = TCP_BYTES + optionBytes + payloadBytes;
  const address = { source: from.ip, destination: to.ip, protocol: Protocol.TCP };
  const { frame, at } = makePacket({ ...address, id }, length);
  put16(frame, at, from.port);
  put16(frame, at + 2, to.port);
  put32(frame, at + 4, head.seq);
  put32(frame, at + 8, head.ack);
  frame[at + 12] = ((TCP_BYTES + optionBytes) / 4) << 4;
  frame[at + 13] = head.flags;
  put16(frame, at + 14, head.window);
  if (head.mss !== undefined) {
    frame.set([Option.MSS, 4, head.mss >> 8, head.mss & 0xff], at + TCP_BYTES);
    if (head.scale !== undefined) frame.set([Option.NOP, Option.SCALE, 3, head.scale], at + TCP_BYTES + 4);
  }
  if (payloadBytes > 0) fill(frame.subarray(at + TCP_BYTES + optionBytes));
  const pseudo = pseudoHeader(from.ip, to.ip, Protocol.TCP, length);
  if (!isSumLeft) {
    put16(frame, at + CHECKSUM_OFFSET, ~fold(addWords(frame, at, frame.length, pseudo)) & 0xffff);
    return { frame };
  }
  put16(frame, at + CHECKSUM_OFFSET, pseudo);
  const checksumStart = ETHERNET_BYTES + IPV4_BYTES;
  return { frame, offload: { checksumStart, checksumOffset: CHECKSUM_OFFSET, segmentBytes: cut } };
}
