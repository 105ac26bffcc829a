/**
 * A Linux bzImage, entered by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"):
 * the kernel unpacks itself. Command line and initial RAM disk are told in the zero page.
 */
import type { GuestMemory } from '../../core-types.ts';
import type { BootState } from '../boot-state.ts';
import { type MemoryLayout, memoryMap } from '../memory-layout.ts';
import { stringBytes } from './boot-block.ts';
import { hex, ImageError } from './image-error.ts';
import type { BootRequest } from './multiboot.ts';

const PAGE = 0x1000;
const SECTOR = 512;
/** Offsets in the setup header ("The Real-Mode Kernel Header"). */
const Header = {
  START: 0x1f1,
  SETUP_SECTS: 0x1f1,
  JUMP: 0x200,
  MAGIC: 0x202,
  VERSION: 0x206,
  TYPE_OF_LOADER: 0x210,
  LOADFLAGS: 0x211,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  CMD_LINE_PTR: 0x228,
  INITRD_ADDR_MAX: 0x22c,
  KERNEL_ALIGNMENT: 0x230,
  XLOADFLAGS: 0x236,
  CMDLINE_SIZE: 0x238,
  PREF_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
} as const;
const ACPI_RSDP = 0x70;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_ENTRY = 20;
const MAGIC = 0x5372_6448;
const LOADER_UNDEFINED = 0xff;
const XLF_KERNEL_64 = 1;
const ENTRY_64 = 0x200;
const OLDEST = 0x20c;

export function isLinux(image: Uint8Array): boolean {
  return image.length >= Header.MAGIC + 4 && viewOf(image).getUint32(Header.MAGIC, true) === MAGIC;
}

/** Loads the kernel at its preferred address. Throws ImageError where the image or the RAM does not allow that. */
export function loadLinux(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  request: BootRequest,
): BootState {
  if (image.length < Header.INIT_SIZE + 4)
    throw new ImageError(`the bzImage ends within its header (${image.length} bytes)`);
  const header = viewOf(image);
  const version = header.getUint16(Header.VERSION, true);
  if (version < OLDEST)
    throw new ImageError(`the bzImage speaks boot protocol ${hex(version)}; ${hex(OLDEST)} is the oldest known`);
  if ((header.getUint16(Header.XLOADFLAGS, true) & XLF_KERNEL_64) === 0) {
    throw new ImageError('the bzImage has no 64-bit entry, and the 32-bit one is not known to this version');
  }
  const start = ((header.getUint8(Header.SETUP_SECTS) || 4) + 1) * SECTOR;
  if (start >= image.length)
    throw new ImageError(`the bzImage ends before its kernel at ${hex(start)} (${image.length} bytes)`);
  const address = Number(header.getBigUint64(Header.PREF_ADDRESS, true));
  layout.take('the Linux kernel', address, Math.max(header.getUint32(Header.INIT_SIZE, true), image.length - start));
  memory.bytes(address, image.length - start).set(image.subarray(start));

  const zeroPage = layout.placeLow('the zero page', PAGE);
  const params = memory.bytes(zeroPage, PAGE);
  params.fill(0);
  const end = Header.MAGIC + header.getUint8(Header.JUMP + 1);
  params.set(image.subarray(Header.START, end), Header.START);
  const out = viewOf(params);
  out.setUint8(Header.TYPE_OF_LOADER, LOADER_UNDEFINED);

  const commandLine = stringBytes(request.commandLine);
  const limit = header.getUint32(Header.CMDLINE_SIZE, true);
  if (commandLine.length - 1 > limit) {
    throw new ImageError(`the command line has ${commandLine.length - 1} bytes; this kernel takes at most ${limit}`);
  }
  const commandLineAt = layout.placeLow('the command line', commandLine.length);
  memory.bytes(commandLineAt, commandLine.length).set(commandLine);
  out.setUint32(Header.CMD_LINE_PTR, commandLineAt, true);

  const size = request.modules.reduce((sum, module) => sum + module.bytes.length, 0);
  if (size > 0) {
    const at = layout.placeHigh('the initial RAM disk', size);
    const highest = header.getUint32(Header.INITRD_ADDR_MAX, true);
    if (at + size - 1 > highest)
      throw new ImageError(`the initial RAM disk at ${hex(at)}+${hex(size)} ends above ${hex(highest)}`);
    let to = at;
    for (const { bytes } of request.modules) {
      memory.bytes(to, bytes.length).set(bytes);
      to += bytes.length;
    }
    out.setUint32(Header.RAMDISK_IMAGE, at, true);
    out.setUint32(Header.RAMDISK_SIZE, size, true);
  }

  if (request.rsdp !== undefined) out.setBigUint64(ACPI_RSDP, BigInt(request.rsdp), true);
  const map = memoryMap(layout.ramBytes);
  out.setUint8(E820_ENTRIES, map.length);
  for (const [index, range] of map.entries()) {
    const entry = E820_TABLE + E820_ENTRY * index;
    out.setBigUint64(entry, BigInt(range.base), true);
    out.setBigUint64(entry + 8, BigInt(range.length), true);
    out.setUint32(entry + 16, range.type, true);
  }
  return { mode: 64, entry: address + ENTRY_64, registers: { rsi: BigInt(zeroPage) } };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
