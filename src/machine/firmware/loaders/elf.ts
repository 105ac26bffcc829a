/**
 * ELF32 and ELF64 executables for x86 (System V ABI, "ELF Header" and "Program Header"). Everything read from the file
 * is checked against the file's length and the machine's RAM before anything is written.
 */
import type { GuestMemory } from '../../../core/types.ts';
import type { MemoryLayout } from '../memory-layout.ts';
import { hex, ImageError } from './image-error.ts';

const MAGIC = 0x464c_457f;
const Class = { ELF32: 1, ELF64: 2 } as const;
const LITTLE_ENDIAN = 1;
const Type = { EXEC: 2, DYN: 3 } as const;
const Machine = { I386: 3, X86_64: 62 } as const;
const PT_LOAD = 1;
const PT_NOTE = 4;

export interface ElfSegment {
  type: number;
  offset: number;
  virtual: number;
  physical: number;
  fileBytes: number;
  memoryBytes: number;
}

export interface ElfImage {
  bits: 32 | 64;
  /** Physical address of the entry point. */
  entry: number;
  /** The PT_LOAD segments that occupy memory. */
  segments: ElfSegment[];
  notes: ElfNote[];
}

export interface ElfNote {
  name: string;
  type: number;
  desc: Uint8Array;
}

export function isElf(image: Uint8Array): boolean {
  return image.length >= 4 && viewOf(image).getUint32(0, true) === MAGIC;
}

/** Reads the headers. Throws ImageError if the file is no x86 executable, lies about itself or is cut short. */
export function parseElf(image: Uint8Array): ElfImage {
  if (!isElf(image)) throw new ImageError('not an ELF file: the magic number is missing');
  if (image.length < 52) throw new ImageError(`the ELF header is cut short: ${image.length} bytes of 52`);
  const bits = readClass(image[4]);
  const headerBytes = bits === 64 ? 64 : 52;
  if (image.length < headerBytes) {
    throw new ImageError(`the ELF header is cut short: ${image.length} bytes of ${headerBytes}`);
  }
  if (image[5] !== LITTLE_ENDIAN) throw new ImageError(`ELF data encoding ${image[5]} is not little-endian (1)`);
  const view = viewOf(image);
  const type = view.getUint16(16, true);
  if (type !== Type.EXEC && type !== Type.DYN) {
    throw new ImageError(`ELF type ${type} is not an executable (${Type.EXEC} or ${Type.DYN})`);
  }
  const machine = view.getUint16(18, true);
  if (machine !== Machine.I386 && machine !== Machine.X86_64) {
    throw new ImageError(`ELF machine ${machine} is neither i386 (${Machine.I386}) nor x86-64 (${Machine.X86_64})`);
  }
  const headers = readSegments(view, bits);
  const segments = headers.filter(({ type, memoryBytes }) => type === PT_LOAD && memoryBytes > 0);
  if (segments.length === 0) throw new ImageError('the ELF file has no segment to load');
  const notes = headers
    .filter((header) => header.type === PT_NOTE)
    .flatMap(({ offset, fileBytes }) => readNotes(image.subarray(offset, offset + fileBytes)));
  return { bits, entry: physicalEntry(segments, word(view, 24, bits)), segments, notes };
}

/** Copies the segments to their physical addresses and clears their tails. */
export function loadElf(memory: GuestMemory, layout: MemoryLayout, image: Uint8Array, elf: ElfImage): void {
  elf.segments.forEach((segment, index) => {
    layout.take(`ELF segment ${index}`, segment.physical, segment.memoryBytes);
  });
  for (const { offset, physical, fileBytes, memoryBytes } of elf.segments) {
    const target = memory.bytes(physical, memoryBytes);
    target.set(image.subarray(offset, offset + fileBytes));
    target.fill(0, fileBytes);
  }
}

function readClass(value: number): 32 | 64 {
  if (value === Class.ELF32) return 32;
  if (value === Class.ELF64) return 64;
  throw new ImageError(`ELF class ${value} is neither 32-bit (1) nor 64-bit (2)`);
}

function readSegments(view: DataView, bits: 32 | 64): ElfSegment[] {
  const table = word(view, bits === 64 ? 32 : 28, bits);
  const sizes = bits === 64 ? 54 : 42;
  const entryBytes = view.getUint16(sizes, true);
  const count = view.getUint16(sizes + 2, true);
  const expected = bits === 64 ? 56 : 32;
  if (count > 0 && entryBytes !== expected) {
    throw new ImageError(`ELF program headers of ${entryBytes} bytes each; ${bits}-bit ones have ${expected}`);
  }
  if (table + count * expected > view.byteLength) {
    throw new ImageError(
      `${count} ELF program headers at ${hex(table)} go past the end of the file (${hex(view.byteLength)} bytes)`,
    );
  }
  const segments: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * expected;
    const segment = readSegment(view, at, bits);
    if (segment.type !== PT_LOAD && segment.type !== PT_NOTE) continue;
    checkSegment(segment, segments.length, view.byteLength);
    segments.push(segment);
  }
  return segments;
}

function readSegment(view: DataView, at: number, bits: 32 | 64): ElfSegment {
  const step = bits / 8;
  const first = bits === 64 ? 8 : 4;
  const [offset, virtual, physical, fileBytes, memoryBytes] = [0, 1, 2, 3, 4].map((i) =>
    word(view, at + first + i * step, bits),
  );
  return { type: view.getUint32(at, true), offset, virtual, physical, fileBytes, memoryBytes };
}

function checkSegment(segment: ElfSegment, index: number, imageBytes: number): void {
  const { offset, fileBytes, memoryBytes } = segment;
  if (fileBytes > memoryBytes) {
    throw new ImageError(
      `ELF segment ${index} has ${hex(fileBytes)} bytes in the file and only ${hex(memoryBytes)} in memory`,
    );
  }
  if (offset + fileBytes > imageBytes) {
    throw new ImageError(
      `ELF segment ${index} at file offset ${hex(offset)}+${hex(fileBytes)} goes past the end of the file (${hex(imageBytes)} bytes)`,
    );
  }
}

/** The notes of a PT_NOTE segment; what is cut short is left out. */
function readNotes(bytes: Uint8Array): ElfNote[] {
  const view = viewOf(bytes);
  const notes: ElfNote[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const [nameBytes, descBytes, type] = [0, 4, 8].map((offset) => view.getUint32(at + offset, true));
    const desc = at + 12 + align4(nameBytes);
    if (desc + descBytes > bytes.length) break;
    const name = new TextDecoder().decode(bytes.subarray(at + 12, at + 12 + Math.max(0, nameBytes - 1)));
    notes.push({ name, type, desc: bytes.subarray(desc, desc + descBytes) });
    at = desc + align4(descBytes);
  }
  return notes;
}

const align4 = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/** Linkers give the entry point as a virtual address; loaders without paging need its physical twin. */
function physicalEntry(segments: readonly ElfSegment[], entry: number): number {
  const holds = (start: number, length: number): boolean => entry >= start && entry < start + length;
  const linked = segments.find(({ virtual, memoryBytes }) => holds(virtual, memoryBytes));
  if (linked) return entry - linked.virtual + linked.physical;
  if (segments.some(({ physical, memoryBytes }) => holds(physical, memoryBytes))) return entry;
  throw new ImageError(`the ELF entry point ${hex(entry)} lies in no segment`);
}

/** An address or size of the file's class. Those beyond 2^53 lose bits, and are beyond every limit they meet. */
function word(view: DataView, at: number, bits: 32 | 64): number {
  return bits === 64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true);
}

function viewOf(image: Uint8Array): DataView {
  return new DataView(image.buffer, image.byteOffset, image.byteLength);
}
