/** What of linear memory no guest may reach, for tests that let guests do anything. */
import { LAYOUT } from '../../src/layout.gen.ts';
import type { Lab } from './lab.ts';

/** First address of linear memory, and of the frame marks: one byte for each frame of it, then the processor's window. */
const MARKS = LAYOUT.CODE_FRAMES;

const { MAILBOXES } = LAYOUT;

/** Memory of the host: below the marks, behind RAM, and the marks of frames that are not RAM. All of it is 0. */
export function outside(lab: Lab): Uint8Array[] {
  const ram = lab.core.memory.bytes(0, lab.core.memory.size);
  const all = new Uint8Array(ram.buffer);
  const end = ram.byteOffset + ram.length;
  return [
    all.subarray(0, MAILBOXES),
    all.subarray(2 * MAILBOXES, MARKS),
    all.subarray(end),
    all.subarray(MARKS, MARKS + (ram.byteOffset >> 12)),
    all.subarray(MARKS + (end >> 12), LAYOUT.WINDOW),
  ];
}
