/** Our own firmware (roms/firmware): its bytes, and what its header says. */
import { FIRMWARE_BASE64 } from './rom.gen.ts';

const MIB = 0x10_0000;
export const FIRMWARE_SEGMENT = 0xf000;

/** Offsets in the segment. */
export interface FirmwareEntries {
  /** Where a machine without a kernel starts. */
  boot: number;
  /** An interrupt that does nothing. */
  ignored: number;
  /** Interrupts by their vectors. */
  vectors: ReadonlyMap<number, number>;
}

const IRQ_8 = 0x70;

/** The bytes of the ROM, which end at 1 MiB. */
export function firmwareBytes(): Uint8Array {
  return Uint8Array.from(atob(FIRMWARE_BASE64), (character) => character.charCodeAt(0));
}

/** The physical address of a ROM of so many bytes. */
export const firmwareBase = (bytes: number): number => MIB - bytes;

/** Reads the header: two entries, then two lists of vectors with their lengths in front. */
export function firmwareEntries(rom: Uint8Array): FirmwareEntries {
  const view = new DataView(rom.buffer, rom.byteOffset, rom.byteLength);
  const vectors = new Map<number, number>();
  let at = 4;
  for (const first of [0, IRQ_8]) {
    const count = view.getUint16(at, true);
    at += 2;
    for (let vector = first; vector < first + count; vector++, at += 2) vectors.set(vector, view.getUint16(at, true));
  }
  return { boot: view.getUint16(0, true), ignored: view.getUint16(2, true), vectors };
}
