/**
 * Multiboot 2 ("Multiboot2 Specification version 2.0"), entered in 32-bit protected mode on a machine without EFI.
 * Requests for a framebuffer or a console are passed over: this board has a serial port only.
 */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootState } from '../boot-state.ts';
import { type MemoryLayout, memoryMap } from '../memory-layout.ts';
import { BootBlock, stringBytes } from './boot-block.ts';
import { isElf, loadElf, parseElf } from './elf.ts';
import { hex, ImageError } from './image-error.ts';
import { type BootRequest, LOADER_NAME, LOWER_KIB, type PlacedModule, placeModules, upperKib } from './multiboot.ts';
import { addressedBytes } from './multiboot1.ts';

const MAGIC = 0xe852_50d6;
const LOADER_MAGIC = 0x36d7_6289n;
const SEARCHED_BYTES = 32_768;
const HEADER_BYTES = 16;
const I386 = 0;
const OPTIONAL = 1;

const HeaderTag = {
  END: 0,
  INFORMATION_REQUEST: 1,
  ADDRESS: 2,
  ENTRY: 3,
  CONSOLE: 4,
  FRAMEBUFFER: 5,
  MODULE_ALIGN: 6,
  EFI_BOOT_SERVICES: 7,
  EFI32_ENTRY: 8,
  EFI64_ENTRY: 9,
  RELOCATABLE: 10,
} as const;
const PASSED_OVER: readonly number[] = Object.values(HeaderTag);
const MINIMUM_BYTES: Partial<Record<number, number>> = { [HeaderTag.ADDRESS]: 24, [HeaderTag.ENTRY]: 12 };

const InfoTag = { END: 0, COMMAND_LINE: 1, LOADER_NAME: 2, MODULE: 3, MEMORY: 4, MAP: 6 } as const;
const PROVIDED: readonly number[] = Object.values(InfoTag);
const TAG_ALIGN = 8;
const MAP_ENTRY_BYTES = 24;

export interface Multiboot2Header {
  /** File offset of the header. */
  offset: number;
  addresses?: { header: number; load: number; loadEnd: number; bssEnd: number };
  entry?: number;
}

/** Finds the header in the first 32 KiB, or null. Throws ImageError if it is malformed or asks too much. */
export function findMultiboot2(image: Uint8Array): Multiboot2Header | null {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const last = Math.min(image.length, SEARCHED_BYTES) - HEADER_BYTES;
  for (let offset = 0; offset <= last; offset += TAG_ALIGN) {
    if (view.getUint32(offset, true) !== MAGIC) continue;
    const [architecture, length, checksum] = [4, 8, 12].map((at) => view.getUint32(offset + at, true));
    if ((MAGIC + architecture + length + checksum) % 2 ** 32 !== 0) continue;
    if (architecture !== I386) throw new ImageError(`Multiboot 2 architecture ${architecture} is not i386 (0)`);
    if (length < HEADER_BYTES || offset + length > view.byteLength) {
      throw new ImageError(`the Multiboot 2 header at ${hex(offset)}+${hex(length)} goes past the end of the file`);
    }
    return readTags(view, offset, offset + length);
  }
  return null;
}

function readTags(view: DataView, offset: number, end: number): Multiboot2Header {
  const header: Multiboot2Header = { offset };
  for (let at = offset + HEADER_BYTES; ; ) {
    if (at + 8 > end) throw new ImageError(`the Multiboot 2 header at ${hex(offset)} has no end tag`);
    const [type, flags, size] = [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true)];
    if (type === HeaderTag.END) return header;
    if (size < (MINIMUM_BYTES[type] ?? 8) || at + size > end) {
      throw new ImageError(`Multiboot 2 tag ${type} at ${hex(at)} has an impossible size of ${size}`);
    }
    readTag(view, at, { type, size, isOptional: (flags & OPTIONAL) !== 0 }, header);
    at += Math.ceil(size / TAG_ALIGN) * TAG_ALIGN;
  }
}

function readTag(
  view: DataView,
  at: number,
  tag: { type: number; size: number; isOptional: boolean },
  header: Multiboot2Header,
): void {
  const word = (offset: number): number => view.getUint32(at + offset, true);
  if (tag.type === HeaderTag.ADDRESS) {
    header.addresses = { header: word(8), load: word(12), loadEnd: word(16), bssEnd: word(20) };
  } else if (tag.type === HeaderTag.ENTRY) header.entry = word(8);
  else if (tag.type === HeaderTag.INFORMATION_REQUEST && !tag.isOptional) {
    for (let offset = 8; offset + 4 <= tag.size; offset += 4) {
      if (!PROVIDED.includes(word(offset))) {
        throw new ImageError(`the Multiboot 2 header requires information ${word(offset)}; known are ${PROVIDED}`);
      }
    }
  } else if (!tag.isOptional && !PASSED_OVER.includes(tag.type)) {
    throw new ImageError(`the Multiboot 2 header requires tag ${tag.type}; known are 0 to 10`);
  }
}

/** Loads the image by its address tag or as ELF, writes the boot information, and returns how to enter it. */
export function loadMultiboot2(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  header: Multiboot2Header,
  request: BootRequest,
): BootState {
  const entry = header.addresses
    ? loadByAddresses(memory, layout, image, header)
    : loadAsElf(memory, layout, image, header);
  const modules = placeModules(memory, layout, request.modules);
  const info = writeInfo(memory, layout, request.commandLine, modules);
  return { mode: 32, entry, registers: { rax: LOADER_MAGIC, rbx: BigInt(info) } };
}

function loadAsElf(memory: GuestMemory, layout: MemoryLayout, image: Uint8Array, header: Multiboot2Header): number {
  if (!isElf(image)) throw new ImageError('the Multiboot 2 header has no address tag and the file is no ELF');
  const elf = parseElf(image);
  loadElf(memory, layout, image, elf);
  return header.entry ?? elf.entry;
}

function loadByAddresses(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  { offset, addresses, entry }: Multiboot2Header,
): number {
  const { header, load, loadEnd, bssEnd } = addresses!;
  if (entry === undefined) throw new ImageError('the Multiboot 2 header has an address tag but no entry tag');
  const range = addressedBytes(image.length, offset, header, load, loadEnd);
  const end = Math.max(bssEnd, load + range.length);
  layout.take('the Multiboot 2 image', load, end - load);
  if (entry < load || entry >= end) {
    throw new ImageError(`the Multiboot 2 entry ${hex(entry)} is outside the image ${hex(load)} to ${hex(end)}`);
  }
  const target = memory.bytes(load, end - load);
  target.set(image.subarray(range.start, range.start + range.length));
  target.fill(0, range.length);
  return entry;
}

function writeInfo(
  memory: GuestMemory,
  layout: MemoryLayout,
  commandLine: string,
  modules: readonly PlacedModule[],
): number {
  const map = memoryMap(layout.ramBytes);
  const texts = [commandLine, LOADER_NAME, ...modules.map((module) => module.commandLine)];
  const room = texts.reduce((sum, text) => sum + 24 + stringBytes(text).length, 64 + map.length * MAP_ENTRY_BYTES);
  const base = layout.placeLow('the Multiboot 2 information', room);
  const block = new BootBlock(base, room);
  block.reserve(8);

  /** Writes one tag: its head, 32-bit words, then what `rest` appends. */
  const tag = (type: number, words: readonly number[], rest: () => void = () => {}): void => {
    const at = block.reserve(8 + 4 * words.length, TAG_ALIGN);
    words.forEach((value, index) => {
      block.u32(at + 8 + 4 * index, value);
    });
    rest();
    block.u32(at, type);
    block.u32(at + 4, block.here - at);
  };
  tag(InfoTag.COMMAND_LINE, [], () => block.string(commandLine));
  tag(InfoTag.LOADER_NAME, [], () => block.string(LOADER_NAME));
  for (const { start, end, commandLine: text } of modules) tag(InfoTag.MODULE, [start, end], () => block.string(text));
  tag(InfoTag.MEMORY, [LOWER_KIB, upperKib(layout.ramBytes)]);
  tag(InfoTag.MAP, [MAP_ENTRY_BYTES, 0], () => {
    for (const range of map) {
      const at = block.reserve(MAP_ENTRY_BYTES);
      block.u64(at, range.base);
      block.u64(at + 8, range.length);
      block.u32(at + 16, range.type);
    }
  });
  tag(InfoTag.END, []);
  block.u32(base, block.here - base);
  memory.bytes(base, room).set(block.bytes);
  return base;
}
