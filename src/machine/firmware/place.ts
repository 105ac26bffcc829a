/**
 * Puts our own firmware into RAM as if it had run: kernels that start at once find what a BIOS leaves, at no cost. What an
 * image lies on stays the image's.
 */
import type { GuestMemory } from '../../core/types.ts';
import type { AcpiBoard } from './acpi-board.ts';
import { BDA, biosData, EBDA, extendedData, type FirmwareBoard, vectorTable } from './bios-data.ts';
import type { BootState } from './boot-state.ts';
import { type MemoryLayout, memoryMap } from './memory-layout.ts';
import { mpTable } from './mp-table.ts';
import { FIRMWARE_SEGMENT, firmwareBase, firmwareBytes, firmwareEntries } from './rom.ts';

const MP_TABLE = 0xf_5000;
const MEMORY_MAP = 0xf_6000;
const MAP_ENTRY_BYTES = 20;

export interface FirmwareRequest {
  board: FirmwareBoard;
  /** What the MP table says; none for guests that were told where ACPI's tables are. */
  mp?: Pick<AcpiBoard, 'vcpus' | 'pciSlots'>;
}

/** Returns how the firmware boots from a disk, or null if an image lies on its ROM. */
export function placeFirmware(
  memory: GuestMemory,
  layout: MemoryLayout,
  { board, mp }: FirmwareRequest,
): BootState | null {
  const rom = firmwareBytes();
  const entries = firmwareEntries(rom);
  const put = (what: string, at: number, bytes: Uint8Array): boolean => {
    if (!layout.takeIfFree(what, at, bytes.length)) return false;
    memory.bytes(at, bytes.length).set(bytes);
    return true;
  };
  if (mp) put('the MP table', MP_TABLE, mpTable(MP_TABLE, mp));
  put('the BIOS data area', BDA.BASE, biosData(board));
  put('the extended BIOS data area', EBDA.BASE, extendedData(board));
  if (!put('the firmware', firmwareBase(rom.length), rom)) return null;
  put("the firmware's memory map", MEMORY_MAP, mapBytes(layout.ramBytes));
  put('the interrupt vectors', 0, vectorTable(entries));
  const entry = (FIRMWARE_SEGMENT << 4) + entries.boot;
  return { mode: 16, entry, segments: { cs: FIRMWARE_SEGMENT, data: 0 } };
}

/** The map as INT 15h, function E820h tells it. */
function mapBytes(ramBytes: number): Uint8Array {
  const map = memoryMap(ramBytes);
  const out = new DataView(new ArrayBuffer(2 + map.length * MAP_ENTRY_BYTES));
  out.setUint16(0, map.length, true);
  for (const [index, { base, length, type }] of map.entries()) {
    const at = 2 + index * MAP_ENTRY_BYTES;
    out.setBigUint64(at, BigInt(base), true);
    out.setBigUint64(at + 8, BigInt(length), true);
    out.setUint32(at + 16, type, true);
  }
  return new Uint8Array(out.buffer);
}
