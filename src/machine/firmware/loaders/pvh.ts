/**
 * Kernels with a PVH entry, told by a note of Xen's in the ELF file (Xen documentation, "x86/HVM direct boot ABI"): flat
 * 32-bit protected mode, EBX with the address of the start information.
 */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootState } from '../boot-state.ts';
import { type MemoryLayout, memoryMap } from '../memory-layout.ts';
import { BootBlock, stringBytes } from './boot-block.ts';
import { type ElfImage, loadElf } from './elf.ts';
import { hex, ImageError } from './image-error.ts';
import { placeInitrd } from './initrd.ts';
import { type BootRequest, type PlacedModule, placeModules } from './multiboot.ts';

const XEN_PHYS32_ENTRY = 18;
const MAGIC = 0x336e_c578;
const VERSION = 1;
const INFO_BYTES = 56;
const MODULE_BYTES = 32;
const MAP_ENTRY_BYTES = 24;

/** The physical address of the PVH entry, if the kernel has one. */
export function pvhEntry(elf: ElfImage): number | undefined {
  const note = elf.notes.find(({ name, type }) => name === 'Xen' && type === XEN_PHYS32_ENTRY);
  if (!note) return undefined;
  const { desc } = note;
  if (desc.length < 4)
    throw new ImageError(`the PVH entry in the ELF note has ${desc.length} bytes; it must have 4 or 8`);
  return new DataView(desc.buffer, desc.byteOffset).getUint32(0, true);
}

/** Loads the kernel and writes its start information. Throws ImageError if they do not fit. */
export function loadPvh(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  elf: ElfImage,
  entry: number,
  request: BootRequest,
): BootState {
  if (!elf.segments.some(({ physical, memoryBytes }) => entry >= physical && entry < physical + memoryBytes)) {
    throw new ImageError(`the PVH entry ${hex(entry)} lies in no segment`);
  }
  loadElf(memory, layout, image, elf);
  const modules = place(memory, layout, elf, request);
  return { mode: 32, entry, registers: { rbx: BigInt(writeInfo(memory, layout, modules, request)) }, knowsAcpi: true };
}

/** Linux takes its first module for the initial RAM disk and forgets the others. */
function place(memory: GuestMemory, layout: MemoryLayout, elf: ElfImage, request: BootRequest): PlacedModule[] {
  if (!elf.notes.some(({ name }) => name === 'Linux')) return placeModules(memory, layout, request.modules);
  const initrd = placeInitrd(memory, layout, request.modules);
  return initrd ? [{ ...initrd, commandLine: '' }] : [];
}

function writeInfo(
  memory: GuestMemory,
  layout: MemoryLayout,
  modules: readonly PlacedModule[],
  { commandLine, rsdp }: BootRequest,
): number {
  const map = memoryMap(layout.ramBytes);
  const texts = [commandLine, ...modules.map((module) => module.commandLine)];
  const room = texts.reduce(
    (sum, text) => sum + stringBytes(text).length,
    INFO_BYTES + modules.length * MODULE_BYTES + map.length * MAP_ENTRY_BYTES,
  );
  const base = layout.placeLow('the PVH start information', room);
  const block = new BootBlock(base, room);
  const info = block.reserve(INFO_BYTES);
  const list = block.reserve(modules.length * MODULE_BYTES);
  const entries = block.reserve(map.length * MAP_ENTRY_BYTES);
  block.u32(info, MAGIC);
  block.u32(info + 4, VERSION);
  block.u32(info + 12, modules.length);
  if (modules.length > 0) block.u64(info + 16, list);
  block.u64(info + 24, block.string(commandLine));
  block.u64(info + 32, rsdp ?? 0);
  block.u64(info + 40, entries);
  block.u32(info + 48, map.length);
  for (const [index, { start, end, commandLine: text }] of modules.entries()) {
    const at = list + index * MODULE_BYTES;
    block.u64(at, start);
    block.u64(at + 8, end - start);
    block.u64(at + 16, block.string(text));
  }
  for (const [index, range] of map.entries()) {
    const at = entries + index * MAP_ENTRY_BYTES;
    block.u64(at, range.base);
    block.u64(at + 8, range.length);
    block.u32(at + 16, range.type);
  }
  memory.bytes(base, room).set(block.bytes);
  return base;
}
