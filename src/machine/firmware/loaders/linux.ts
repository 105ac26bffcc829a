/**
 * Linux by its boot protocol (Linux Documentation/arch/x86/boot.rst): the kernel that was unpacked from a bzImage, at its
 * ELF entry; or the bzImage itself, which unpacks in the guest, at its 64-bit, 32-bit or 16-bit entry. Command line, memory map and
 * initial RAM disk are told in the zero page.
 */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootMode, BootState } from '../boot-state.ts';
import { type MemoryLayout, memoryMap } from '../memory-layout.ts';
import { stringBytes } from './boot-block.ts';
import { type UnpackLimits, unpackPayload } from './decompress/payload.ts';
import { loadElf, parseElf } from './elf.ts';
import { hex, ImageError } from './image-error.ts';
import { checkInitrd, placeInitrd } from './initrd.ts';
import { loadRealMode } from './linux-real-mode.ts';
import type { BootRequest } from './multiboot.ts';
import { Header, isLinux, parseSetupHeader, type SetupHeader } from './setup-header.ts';

/**
 * How a bzImage is booted: `unpack` (the kernel is unpacked before the guest starts, if its compression is known),
 * `image` (the untouched image at its 64-bit entry, or at its 32-bit one if it has no other), `image32` (always that),
 * `image16` (at its 16-bit entry, under the firmware, which is also the way of an image without another entry).
 */
export const LINUX_BOOTS = ['unpack', 'image', 'image32', 'image16'] as const;
export type LinuxBoot = (typeof LINUX_BOOTS)[number];

const PAGE = 0x1000;
/** "struct screen_info" from the video mode on: mode 3 of page 0, 80 columns and 25 lines, a VGA with 16 lines a character. */
const SCREEN_INFO = 6;
const TEXT_SCREEN = [3, 80, 0, 0, 0, 0, 0, 0, 25, 1, 16, 0];
const ACPI_RSDP = 0x70;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_ENTRY = 20;
const LOADER_UNDEFINED = 0xff;
const ENTRY_64 = 0x200;

/** The kernel inside `image`, if it is a bzImage; or a note that says why it is left to unpack itself. */
export async function unpackLinux(
  image: Uint8Array,
  limits?: UnpackLimits,
): Promise<{ unpacked?: Uint8Array; note?: string }> {
  if (!isLinux(image)) return {};
  const { kernel, payload } = parseSetupHeader(image);
  if (payload.length === 0) return {};
  const end = payload.offset + payload.length;
  if (end > kernel.length) {
    throw new ImageError(
      `the kernel's compressed data end at ${hex(end)}, beyond the image's ${hex(kernel.length)} bytes`,
    );
  }
  const unpacked = await unpackPayload(kernel.subarray(payload.offset, end), limits);
  return unpacked instanceof Uint8Array
    ? { unpacked }
    : { note: `the kernel is compressed by ${unpacked.unknown}, which is not known here: it unpacks itself` };
}

/** Loads the kernel where it wants to be. Throws ImageError if the image or the RAM does not allow that. */
export function loadLinux(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  request: BootRequest & { unpacked?: Uint8Array; linuxBoot?: LinuxBoot },
): BootState {
  const header = parseSetupHeader(image);
  if (request.linuxBoot === 'image16' || !header.hasProtectedEntry) {
    return loadRealMode(memory, layout, image, header, request);
  }
  const { mode, entry } = request.unpacked
    ? loadUnpacked(memory, layout, request.unpacked)
    : loadItself(memory, layout, header, request.linuxBoot);
  const zeroPage = writeZeroPage(memory, layout, header, request);
  return { mode, entry, registers: { rsi: BigInt(zeroPage) }, knowsAcpi: true };
}

function loadUnpacked(
  memory: GuestMemory,
  layout: MemoryLayout,
  kernel: Uint8Array,
): { mode: BootMode; entry: number } {
  const elf = parseElf(kernel);
  loadElf(memory, layout, kernel, elf);
  return { mode: elf.bits, entry: elf.entry };
}

function loadItself(
  memory: GuestMemory,
  layout: MemoryLayout,
  { kernel, address, initSize, has64BitEntry }: SetupHeader,
  boot?: LinuxBoot,
): { mode: BootMode; entry: number } {
  layout.take('the Linux kernel', address, initSize);
  memory.bytes(address, kernel.length).set(kernel);
  if (boot === 'image32' || !has64BitEntry) return { mode: 32, entry: address };
  return { mode: 64, entry: address + ENTRY_64 };
}

function writeZeroPage(memory: GuestMemory, layout: MemoryLayout, header: SetupHeader, request: BootRequest): number {
  const zeroPage = layout.placeLow('the zero page', PAGE);
  const params = memory.bytes(zeroPage, PAGE);
  params.fill(0);
  params.set(header.bytes, Header.START);
  const out = new DataView(params.buffer, params.byteOffset, PAGE);
  out.setUint8(Header.TYPE_OF_LOADER, LOADER_UNDEFINED);
  out.setUint32(Header.CODE32_START, header.address, true);

  const commandLine = stringBytes(request.commandLine);
  if (commandLine.length - 1 > header.commandLineLimit) {
    throw new ImageError(
      `the command line has ${commandLine.length - 1} bytes; this kernel takes at most ${header.commandLineLimit}`,
    );
  }
  const commandLineAt = layout.placeLow('the command line', commandLine.length);
  memory.bytes(commandLineAt, commandLine.length).set(commandLine);
  out.setUint32(Header.CMD_LINE_PTR, commandLineAt, true);

  const initrd = placeInitrd(memory, layout, request.modules);
  if (initrd) {
    const { start, end } = initrd;
    checkInitrd(initrd, header.initrdMax);
    out.setUint32(Header.RAMDISK_IMAGE, start, true);
    out.setUint32(Header.RAMDISK_SIZE, end - start, true);
  }

  if (request.hasVga) params.set(TEXT_SCREEN, SCREEN_INFO);
  if (request.rsdp !== undefined) out.setBigUint64(ACPI_RSDP, BigInt(request.rsdp), true);
  const map = memoryMap(layout.ramBytes);
  out.setUint8(E820_ENTRIES, map.length);
  for (const [index, range] of map.entries()) {
    const entry = E820_TABLE + E820_ENTRY * index;
    out.setBigUint64(entry, BigInt(range.base), true);
    out.setBigUint64(entry + 8, BigInt(range.length), true);
    out.setUint32(entry + 16, range.type, true);
  }
  return zeroPage;
}
