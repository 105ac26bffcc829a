/**
 * Multiboot 1 ("Multiboot Specification version 0.6.96"). Memory sizes, memory map, command line, modules and the
 * loader's name are always given, whatever the header asks for: kernels read them unasked.
 */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootState } from '../boot-state.ts';
import { type MemoryLayout, memoryMap } from '../memory-layout.ts';
import { BootBlock, stringBytes } from './boot-block.ts';
import { isElf, loadElf, parseElf } from './elf.ts';
import { hex, ImageError } from './image-error.ts';
import { type BootRequest, LOADER_NAME, LOWER_KIB, type PlacedModule, placeModules, upperKib } from './multiboot.ts';

const MAGIC = 0x1bad_b002;
const LOADER_MAGIC = 0x2bad_b002n;
const SEARCHED_BYTES = 8192;
const HEADER_BYTES = 12;
const ADDRESSES_BYTES = 32;
const HeaderFlag = { PAGE_ALIGN: 1, MEMORY_INFO: 2, VIDEO: 4, REQUIRED: 0xffff, ADDRESSES: 0x1_0000 } as const;
const KNOWN_REQUIREMENTS = HeaderFlag.PAGE_ALIGN | HeaderFlag.MEMORY_INFO | HeaderFlag.VIDEO;

const InfoFlag = {
  MEMORY: 1,
  BOOT_DEVICE: 2,
  COMMAND_LINE: 4,
  MODULES: 8,
  MEMORY_MAP: 0x40,
  LOADER_NAME: 0x200,
} as const;
const FIRST_HARD_DISK = 0x80ff_ffff;
/** Offsets into the information structure. */
const Info = {
  FLAGS: 0,
  MEM_LOWER: 4,
  MEM_UPPER: 8,
  BOOT_DEVICE: 12,
  COMMAND_LINE: 16,
  MODULE_COUNT: 20,
  MODULES: 24,
  MAP_LENGTH: 44,
  MAP: 48,
  LOADER_NAME: 64,
  BYTES: 120,
} as const;
const MODULE_BYTES = 16;
const MAP_ENTRY_BYTES = 24;

export interface Multiboot1Header {
  /** File offset of the header. */
  offset: number;
  flags: number;
  /** Present where the header overrides the file's own format. */
  addresses?: { header: number; load: number; loadEnd: number; bssEnd: number; entry: number };
}

/** Finds the header in the first 8 KiB, or null. Throws ImageError if it asks for what no loader knows. */
export function findMultiboot1(image: Uint8Array): Multiboot1Header | null {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const last = Math.min(image.length, SEARCHED_BYTES) - HEADER_BYTES;
  for (let offset = 0; offset <= last; offset += 4) {
    if (view.getUint32(offset, true) !== MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if ((MAGIC + flags + view.getUint32(offset + 8, true)) % 2 ** 32 !== 0) continue;
    return readHeader(view, offset, flags);
  }
  return null;
}

function readHeader(view: DataView, offset: number, flags: number): Multiboot1Header {
  const unknown = flags & HeaderFlag.REQUIRED & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0) throw new ImageError(`the Multiboot header requires features ${hex(unknown)}; known are 0x7`);
  if ((flags & HeaderFlag.ADDRESSES) === 0) return { offset, flags };
  if (offset + ADDRESSES_BYTES > view.byteLength) {
    throw new ImageError(`the Multiboot header at ${hex(offset)} is cut short by the end of the file`);
  }
  const [header, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((at) => view.getUint32(offset + at, true));
  return { offset, flags, addresses: { header, load, loadEnd, bssEnd, entry } };
}

/** Loads the image by its addresses or as ELF, writes the information structure, and returns how to enter it. */
export function loadMultiboot1(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  header: Multiboot1Header,
  request: BootRequest,
): BootState {
  const entry = header.addresses
    ? loadByAddresses(memory, layout, image, header.offset, header.addresses)
    : loadAsElf(memory, layout, image);
  const modules = placeModules(memory, layout, request.modules);
  const info = writeInfo(memory, layout, request.commandLine, modules);
  return { mode: 32, entry, registers: { rax: LOADER_MAGIC, rbx: BigInt(info) } };
}

function loadAsElf(memory: GuestMemory, layout: MemoryLayout, image: Uint8Array): number {
  if (!isElf(image)) throw new ImageError('the Multiboot header has no addresses (flag 16) and the file is no ELF');
  const elf = parseElf(image);
  loadElf(memory, layout, image, elf);
  return elf.entry;
}

function loadByAddresses(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  headerOffset: number,
  { header, load, loadEnd, bssEnd, entry }: NonNullable<Multiboot1Header['addresses']>,
): number {
  const range = addressedBytes(image.length, headerOffset, header, load, loadEnd);
  const end = Math.max(bssEnd, load + range.length);
  layout.take('the Multiboot image', load, end - load);
  if (entry < load || entry >= end) {
    throw new ImageError(`the Multiboot entry ${hex(entry)} is outside the image ${hex(load)} to ${hex(end)}`);
  }
  const target = memory.bytes(load, end - load);
  target.set(image.subarray(range.start, range.start + range.length));
  target.fill(0, range.length);
  return entry;
}

/** Which bytes of the file the address fields of either version name. A `loadEnd` of 0 means the rest of the file. */
export function addressedBytes(
  imageBytes: number,
  headerOffset: number,
  header: number,
  load: number,
  loadEnd: number,
): { start: number; length: number } {
  const start = headerOffset - (header - load);
  if (header < load || start < 0) {
    throw new ImageError(
      `Multiboot load address ${hex(load)} does not fit header address ${hex(header)} at file offset ${hex(headerOffset)}`,
    );
  }
  const length = loadEnd === 0 ? imageBytes - start : loadEnd - load;
  if (length <= 0) throw new ImageError(`Multiboot load end ${hex(loadEnd)} is not after its start ${hex(load)}`);
  if (start + length > imageBytes) {
    throw new ImageError(
      `the Multiboot image needs ${hex(start + length)} bytes of file, which has ${hex(imageBytes)}`,
    );
  }
  return { start, length };
}

function writeInfo(
  memory: GuestMemory,
  layout: MemoryLayout,
  commandLine: string,
  modules: readonly PlacedModule[],
): number {
  const map = memoryMap(layout.ramBytes);
  const strings = [commandLine, LOADER_NAME, ...modules.map((module) => module.commandLine)];
  const stringsLength = strings.reduce((sum, text) => sum + stringBytes(text).length, 0);
  const length = Info.BYTES + modules.length * MODULE_BYTES + map.length * MAP_ENTRY_BYTES + stringsLength;
  const block = new BootBlock(layout.placeLow('the Multiboot information', length), length);
  const info = block.reserve(Info.BYTES);
  const moduleList = block.reserve(modules.length * MODULE_BYTES);
  const mapList = block.reserve(map.length * MAP_ENTRY_BYTES);

  const { MEMORY, BOOT_DEVICE, COMMAND_LINE, MODULES, MEMORY_MAP, LOADER_NAME: NAME } = InfoFlag;
  block.u32(info + Info.FLAGS, MEMORY | BOOT_DEVICE | COMMAND_LINE | MODULES | MEMORY_MAP | NAME);
  block.u32(info + Info.MEM_LOWER, LOWER_KIB);
  block.u32(info + Info.MEM_UPPER, upperKib(layout.ramBytes));
  block.u32(info + Info.BOOT_DEVICE, FIRST_HARD_DISK);
  block.u32(info + Info.COMMAND_LINE, block.string(commandLine));
  block.u32(info + Info.LOADER_NAME, block.string(LOADER_NAME));
  block.u32(info + Info.MODULE_COUNT, modules.length);
  block.u32(info + Info.MODULES, moduleList);
  modules.forEach((module, index) => {
    const at = moduleList + index * MODULE_BYTES;
    block.u32(at, module.start);
    block.u32(at + 4, module.end);
    block.u32(at + 8, block.string(module.commandLine));
  });
  block.u32(info + Info.MAP_LENGTH, map.length * MAP_ENTRY_BYTES);
  block.u32(info + Info.MAP, mapList);
  map.forEach((range, index) => {
    const at = mapList + index * MAP_ENTRY_BYTES;
    block.u32(at, MAP_ENTRY_BYTES - 4);
    block.u64(at + 4, range.base);
    block.u64(at + 12, range.length);
    block.u32(at + 20, range.type);
  });
  memory.bytes(info, length).set(block.bytes);
  return info;
}
