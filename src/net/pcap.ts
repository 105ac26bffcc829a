/**
 * A network that is written down: frames of both directions in the classic pcap format, with nanoseconds of virtual time.
 * Checksums that were left undone are made in what is written; long segments stay in one piece.
 */
import { check, checkOptions, isFunction, isInteger, isNumber } from '../checks.ts';
import { isBackend, type NetBackend, type NetCard, type Offload } from './backend.ts';
import { completeChecksum } from './bytes.ts';

/** The nanosecond variant of the format. */
const MAGIC = 0xa1b2_3c4d;
const ETHERNET = 1;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const NS_PER_SECOND = 1_000_000_000;
const MOST_BYTES = 65550;

export interface DumpOptions {
  /** The date at power-on, in milliseconds since 1970; 0 if absent. */
  start?: number;
  /** Bytes of each frame that are kept; all if absent. */
  maxBytes?: number;
}

/** The backend, whose frames are handed to `write` as the bytes of a pcap file. */
export function dump(backend: NetBackend, write: (bytes: Uint8Array) => void, options: DumpOptions = {}): NetBackend {
  check('dump: backend', backend, isBackend);
  check('dump: write', write, isFunction);
  checkOptions('dump', options, { start: isNumber, maxBytes: isInteger(1, MOST_BYTES) });
  const { start = 0, maxBytes = MOST_BYTES } = options;
  const header = new DataView(new ArrayBuffer(FILE_HEADER));
  for (const [at, value] of [MAGIC, 0x0004_0002, 0, 0, maxBytes, ETHERNET].entries()) {
    header.setUint32(4 * at, value, true);
  }
  write(new Uint8Array(header.buffer));
  let now = (): bigint => 0n;

  const record = (frame: Uint8Array, offload?: Offload): void => {
    const kept = Math.min(frame.length, maxBytes);
    const bytes = new Uint8Array(RECORD_HEADER + kept);
    const view = new DataView(bytes.buffer);
    const ns = now();
    const seconds = Number(ns / BigInt(NS_PER_SECOND)) + Math.floor(start / 1000);
    const rest = Number(ns % BigInt(NS_PER_SECOND)) + (start % 1000) * 1_000_000;
    view.setUint32(0, seconds + Math.floor(rest / NS_PER_SECOND), true);
    view.setUint32(4, rest % NS_PER_SECOND, true);
    view.setUint32(8, kept, true);
    view.setUint32(12, frame.length, true);
    let whole = frame;
    if (offload) {
      whole = frame.slice();
      completeChecksum(whole, offload);
    }
    bytes.set(whole.subarray(0, kept), RECORD_HEADER);
    write(bytes);
  };

  const watched = (card: NetCard): NetCard => ({
    get takes() {
      return card.takes;
    },
    clock: card.clock,
    host: card.host,
    doors: card.doors,
    setLink: (isUp) => card.setLink(isUp),
    receive(frame, offload) {
      const isTaken = card.receive(frame, offload);
      if (isTaken) record(frame, offload);
      return isTaken;
    },
  });

  let inner: NetCard | null = null;

  return {
    takesOffload: backend.takesOffload,
    usesDoors: backend.usesDoors,
    attach(card) {
      now = () => card.clock.now();
      inner = watched(card);
      backend.attach(inner);
    },
    save: () => (inner && backend.save?.(inner)) ?? null,
    load: (_card, state) => inner && backend.load?.(inner, state),
    send(frame, offload) {
      record(frame, offload);
      backend.send(frame, offload);
    },
    flush: () => backend.flush?.(),
    ready: () => backend.ready?.(),
    close: () => backend.close?.(),
  };
}
