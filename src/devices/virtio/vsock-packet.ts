/** Packets of the socket device: virtio 1.2, 5.10.6 "Device Operation". */

export const HEADER_BYTES = 44;
/** No driver sends more in one packet, and we do not either. */
export const MAX_PAYLOAD_BYTES = 64 << 10;
export const HOST_CID = 2n;
export const STREAM = 1;

export const Op = {
  REQUEST: 1,
  RESPONSE: 2,
  RST: 3,
  SHUTDOWN: 4,
  RW: 5,
  CREDIT_UPDATE: 6,
  CREDIT_REQUEST: 7,
} as const;
export type Op = (typeof Op)[keyof typeof Op];

/** virtio 1.2, 5.10.6.5 "Stream Sockets": what the sender of a SHUTDOWN will not do any more. */
export const Shutdown = { RECEIVE: 1, SEND: 2, BOTH: 3 } as const;

export interface Header {
  sourceCid: bigint;
  destinationCid: bigint;
  sourcePort: number;
  destinationPort: number;
  length: number;
  type: number;
  op: number;
  flags: number;
  /** The sender's buffer for the stream, and how many of its bytes were emptied since the beginning, modulo 2^32. */
  bufferBytes: number;
  forwarded: number;
}

/** `bytes` are a whole header. */
export function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    sourceCid: view.getBigUint64(0, true),
    destinationCid: view.getBigUint64(8, true),
    sourcePort: view.getUint32(16, true),
    destinationPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufferBytes: view.getUint32(36, true),
    forwarded: view.getUint32(40, true),
  };
}

export function writeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, header.sourceCid, true);
  view.setBigUint64(8, header.destinationCid, true);
  view.setUint32(16, header.sourcePort, true);
  view.setUint32(20, header.destinationPort, true);
  view.setUint32(24, header.length, true);
  view.setUint16(28, header.type, true);
  view.setUint16(30, header.op, true);
  view.setUint32(32, header.flags, true);
  view.setUint32(36, header.bufferBytes, true);
  view.setUint32(40, header.forwarded, true);
  return bytes;
}
