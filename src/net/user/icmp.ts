/** ICMP (RFC 792): what the gateway answers itself, and how it says that something cannot be reached. */
import { addWords, fold, put16 } from '../bytes.ts';
import type { Packet } from './packet.ts';

const Type = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO: 8, TIME_EXCEEDED: 11 } as const;
/** Codes of "destination unreachable". */
export const Unreachable = { HOST: 1, PORT: 3, PROHIBITED: 13 } as const;
const HEADER_BYTES = 8;
/** Of the datagram that failed, after its IP header. */
const QUOTED_BYTES = 8;

/** Whether a message asks for an echo and arrived whole. */
export const isEchoRequest = (message: Uint8Array): boolean =>
  message.length >= HEADER_BYTES && message[0] === Type.ECHO && fold(addWords(message, 0, message.length)) === 0xffff;

export function echoReply(request: Uint8Array): Uint8Array {
  const reply = request.slice();
  reply[0] = Type.ECHO_REPLY;
  return withSum(reply);
}

/** As much of a packet as a message about it needs later: the packet would keep its whole frame. */
export const quoteOf = (packet: Packet): Packet => ({
  ...packet,
  header: packet.header.slice(),
  payload: packet.payload.slice(0, QUOTED_BYTES),
});

export const unreachable = (packet: Packet, code: number): Uint8Array => error(packet, Type.UNREACHABLE, code);

export const timeExceeded = (packet: Packet): Uint8Array => error(packet, Type.TIME_EXCEEDED, 0);

function error({ header, payload }: Packet, type: number, code: number): Uint8Array {
  const quoted = Math.min(payload.length, QUOTED_BYTES);
  const message = new Uint8Array(HEADER_BYTES + header.length + quoted);
  message[0] = type;
  message[1] = code;
  message.set(header, HEADER_BYTES);
  message.set(payload.subarray(0, quoted), HEADER_BYTES + header.length);
  return withSum(message);
}

function withSum(message: Uint8Array): Uint8Array {
  put16(message, 2, 0);
  put16(message, 2, ~fold(addWords(message, 0, message.length)) & 0xffff);
  return message;
}
