/** What of linear memory no guest may reach or change, for tests that let guests do anything. */
import { LAYOUT } from '../../src/core/layout.gen.ts';
import { type Lab, longLab } from './lab.ts';

/** First address of linear memory, and of the frame marks: one byte for each frame of it, then the processor's window. */
const MARKS = LAYOUT.CODE_FRAMES;

const { MAILBOXES, WINDOW } = LAYOUT;
const BANKS = 8;
/** Bytes of the records of exits, and of the fields that a VM entry takes over with the images of segment registers. */
const RECORDS = LAYOUT.EXIT_RECORDS * LAYOUT.EXIT_RECORD_BYTES;
const FIELDS = 0x800;
/** More than a test decodes before it drops its code. */
const DECODED = 0x200000;

/** What nothing uses between the tables of the processor's own window: [from, to) each. */
const GAPS: readonly (readonly [number, number])[] = [
  [LAYOUT.EXIT_RING + RECORDS, LAYOUT.ENTERED],
  [LAYOUT.ENTERED + FIELDS, LAYOUT.JUMP_CACHE],
  [LAYOUT.JUMP_CACHE + 4 * LAYOUT.JUMP_CACHE_ENTRIES, LAYOUT.BLOCK_HASH],
  [LAYOUT.FRAME_LINES + 8 * LAYOUT.FRAME_HASH_ENTRIES, LAYOUT.TLB],
  [LAYOUT.TLB_USED + BANKS * 0x2000, LAYOUT.NESTED],
  [LAYOUT.NESTED + 16 * LAYOUT.NESTED_ENTRIES, LAYOUT.STATIC],
  [LAYOUT.ARENA + DECODED, LAYOUT.WINDOW_SIZE],
];

/**
 * Memory of the host: below the marks, after RAM, the marks of frames that are not RAM, and what is free between the tables
 * of the processor's window. All of it is 0.
 */
export function outside(lab: Lab): Uint8Array[] {
  const ram = lab.core.memory.bytes(0, lab.core.memory.size);
  const all = new Uint8Array(ram.buffer);
  const end = ram.byteOffset + ram.length;
  return [
    all.subarray(0, MAILBOXES),
    all.subarray(2 * MAILBOXES, MARKS),
    all.subarray(end),
    all.subarray(MARKS, MARKS + (ram.byteOffset >> 12)),
    all.subarray(MARKS + (end >> 12), WINDOW),
    ...GAPS.map(([from, to]) => all.subarray(WINDOW + from, WINDOW + to)),
  ];
}

/** The tables among the module's static data, by a processor that has not run yet: its scratch is still 0. */
async function tablesOf(): Promise<Uint8Array> {
  return ownBytes(await longLab(), LAYOUT.STATIC, LAYOUT.ARENA).slice();
}
function ownBytes(lab: Lab, from: number, to: number): Uint8Array {
  return new Uint8Array(lab.core.memory.bytes(0, 1).buffer).subarray(WINDOW + from, WINDOW + to);
}

/** Watches data of the processor itself that stays as it is while guests run: the map of memory, CPUID, static tables. */
export async function watchOwnData(lab: Lab): Promise<{ readonly isWhole: boolean }> {
  const tables = await tablesOf();
  const model = ownBytes(lab, LAYOUT.PHYS_MAP, LAYOUT.EXIT_COUNTS).slice();
  const holds = (now: Uint8Array, before: Uint8Array) => before.every((byte, at) => byte === 0 || now[at] === byte);
  return {
    get isWhole() {
      return (
        holds(ownBytes(lab, LAYOUT.PHYS_MAP, LAYOUT.EXIT_COUNTS), model) &&
        holds(ownBytes(lab, LAYOUT.STATIC, LAYOUT.ARENA), tables)
      );
    },
  };
}
