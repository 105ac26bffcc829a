/** What the controller says of itself (NVM Express Base Specification 1.4, "Identify command" and "Get Log Page command"). */
import { ALL_NAMESPACES, ASYNC_EVENT_LIMIT, BLOCK, Log, MDTS, NAMESPACE, PAGE, VERSION } from './spec.ts';

export interface Identity {
  vendor: number;
  serial: string;
  /** Bytes. */
  capacity: number;
  isReadOnly: boolean;
}

/** Values of CNS. */
export const Cns = { NAMESPACE: 0, CONTROLLER: 1, ACTIVE_LIST: 2, DESCRIPTORS: 3 } as const;

const MODEL = 'vmlaunch NVMe disk';
const FIRMWARE = '1.0';
const KELVIN = { NOW: 303, WARNING: 343, CRITICAL: 373 } as const;
const LOG_BYTES = 512;
const UUID = 3;
const LAST_REAL_NAMESPACE = 0xffff_fffd;

/** 4096 bytes; null for a structure that there is none of. */
export function identify(cns: number, nsid: number, identity: Identity): Uint8Array | null {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  switch (cns) {
    case Cns.CONTROLLER:
      describeController(bytes, view, identity);
      return bytes;
    case Cns.NAMESPACE:
      if (nsid === NAMESPACE || nsid === ALL_NAMESPACES) describeNamespace(view, identity);
      return bytes;
    case Cns.ACTIVE_LIST:
      if (nsid > LAST_REAL_NAMESPACE) return null;
      if (nsid < NAMESPACE) view.setUint32(0, NAMESPACE, true);
      return bytes;
    case Cns.DESCRIPTORS:
      if (nsid !== NAMESPACE) return null;
      bytes.set([UUID, 16], 0);
      bytes.set(uuidOf(identity.serial), 4);
      return bytes;
    default:
      return null;
  }
}

/** A log page; null for one that there is none of. */
export function logPage(id: number): Uint8Array | null {
  const bytes = new Uint8Array(LOG_BYTES);
  const view = new DataView(bytes.buffer);
  switch (id) {
    case Log.ERROR:
      return bytes.subarray(0, 64);
    case Log.SMART:
      view.setUint16(1, KELVIN.NOW, true);
      bytes.set([100, 10], 3);
      return bytes;
    case Log.FIRMWARE:
      bytes[0] = 1;
      putText(bytes, 8, 8, FIRMWARE);
      return bytes;
    default:
      return null;
  }
}

function describeController(bytes: Uint8Array, view: DataView, { vendor, serial }: Identity): void {
  view.setUint16(0, vendor, true);
  view.setUint16(2, vendor, true);
  putText(bytes, 4, 20, serial);
  putText(bytes, 24, 40, MODEL);
  putText(bytes, 64, 8, FIRMWARE);
  bytes[77] = MDTS;
  view.setUint32(80, VERSION, true);
  bytes[111] = 1;
  bytes.set([3, ASYNC_EVENT_LIMIT - 1, 3], 258);
  view.setUint16(266, KELVIN.WARNING, true);
  view.setUint16(268, KELVIN.CRITICAL, true);
  bytes.set([0x66, 0x44], 512);
  view.setUint32(516, NAMESPACE, true);
  view.setUint16(520, SUPPORTS.DATASET | SUPPORTS.WRITE_ZEROES, true);
  bytes[525] = VOLATILE_CACHE;
  bytes.set(new TextEncoder().encode(`nqn.2026-01.vmlaunch:${serial.replace(/[^\w.-]/g, '-')}`), 768);
  view.setUint16(2048, 2500, true);
}

const SUPPORTS = { DATASET: 4, WRITE_ZEROES: 8 } as const;
/** There is a volatile write cache, and a flush may name all namespaces. */
const VOLATILE_CACHE = 7;

function describeNamespace(view: DataView, { capacity, isReadOnly }: Identity): void {
  const blocks = BigInt(Math.floor(capacity / BLOCK));
  for (const at of [0, 8, 16]) view.setBigUint64(at, blocks, true);
  view.setUint8(99, isReadOnly ? 1 : 0);
  view.setUint8(130, Math.log2(BLOCK));
}

function putText(bytes: Uint8Array, at: number, length: number, text: string): void {
  bytes.fill(0x20, at, at + length);
  bytes.set(new TextEncoder().encode(text).subarray(0, length), at);
}

/** Sixteen bytes that follow from the serial number alone (FNV-1a), as a UUID of version 8. */
function uuidOf(serial: string): Uint8Array {
  const out = new Uint8Array(16);
  let hash = 0x811c9dc5;
  for (let at = 0; at < out.length; at++) {
    for (const byte of new TextEncoder().encode(`${serial}.${at}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    out[at] = hash >>> 24;
  }
  out[6] = (out[6] & 0x0f) | 0x80;
  out[8] = (out[8] & 0x3f) | 0x80;
  return out;
}
