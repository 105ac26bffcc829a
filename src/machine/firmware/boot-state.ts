/**
 * How the processor stands when a loaded image begins: in real mode, in flat 32-bit protected mode, or in 64-bit mode
 * under identity-mapping page tables. A small GDT that matches the loaded selectors is left in RAM; the selectors are Linux's,
 * whose 32-bit kernels load them again before they have a GDT of their own.
 */
import { Cr0, Cr4, Efer } from '../../core/enums.gen.ts';
import type { Core, GprName, GuestMemory, Segment, SegmentName } from '../../core/types.ts';
import { hex, ImageError } from './loaders/image-error.ts';
import type { MemoryLayout } from './memory-layout.ts';

export type BootMode = 16 | 32 | 64;

export interface BootState {
  mode: BootMode;
  /** Physical address of the first instruction. */
  entry: number;
  registers?: Partial<Record<GprName, bigint>>;
  /** In real mode: selectors of the code and of all other segments, if they are not to follow from the entry. */
  segments?: { cs: number; data: number };
  /** The image was told where the ACPI tables are. */
  knowsAcpi?: true;
}

const PAGE = 0x1000;
const MIB = 0x10_0000;
const GIB = 0x4000_0000;
const MAPPED_GIB = 4;
const STACK_TOP = 0x7c00;

const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;
const GDT_BYTES = 0x20;
const CODE_32 = 0xc09b;
const CODE_64 = 0xa09b;
const DATA = 0xc093;
const DATA_SEGMENTS = ['ss', 'ds', 'es', 'fs', 'gs'] as const satisfies readonly SegmentName[];

const Entry = { PRESENT: 1n, WRITABLE: 2n, LARGE: 0x80n } as const;
const RFLAGS_FIXED = 2n;

/** Puts a processor fresh from reset into `state`. Tables go where `layout` has room. */
export function enter(core: Core, layout: MemoryLayout, state: BootState): void {
  if (state.mode === 16) enterRealMode(core, state);
  else enterFlat(core, layout, state);
  core.set('rflags', RFLAGS_FIXED);
  for (const [name, value] of Object.entries(state.registers ?? {})) core.set(name as GprName, value);
}

/** Below 64 KiB CS is 0, as boot loaders expect at 0x7c00; above, the segment is the paragraph of the entry. */
function enterRealMode(core: Core, { entry, segments }: BootState): void {
  if (entry >= MIB) throw new ImageError(`a 16-bit entry at ${hex(entry)} is beyond real mode's ${hex(MIB)} bytes`);
  const selector = segments?.cs ?? (entry < 0x1_0000 ? 0 : entry >> 4);
  const load = (name: SegmentName, selector: number): void =>
    core.setSegment(name, { ...core.getSegment(name), selector, base: BigInt(selector << 4) });
  load('cs', selector);
  if (segments) for (const name of DATA_SEGMENTS) load(name, segments.data);
  core.set('rip', BigInt(entry - (selector << 4)));
  core.set('rsp', BigInt(STACK_TOP));
}

function enterFlat(core: Core, layout: MemoryLayout, state: BootState): void {
  const is64 = state.mode === 64;
  const gdt = layout.placeLow('the boot GDT', PAGE);
  writeGdt(core.memory, gdt, is64 ? CODE_64 : CODE_32);
  core.set('gdtr.base', BigInt(gdt));
  core.set('gdtr.limit', BigInt(GDT_BYTES - 1));
  const flat = (selector: number, rights: number): Segment => ({ selector, base: 0n, limit: 0xffff_ffff, rights });
  if (is64) {
    core.set('cr3', BigInt(buildIdentityTables(core.memory, layout)));
    core.set('cr4', Cr4.PAE);
    core.set('efer', Efer.LME | Efer.LMA);
    core.set('cr0', Cr0.PE | Cr0.ET | Cr0.NE | Cr0.PG);
  } else core.set('cr0', Cr0.PE | Cr0.ET);
  core.setSegment('cs', flat(CODE_SELECTOR, is64 ? CODE_64 : CODE_32));
  for (const name of DATA_SEGMENTS) core.setSegment(name, flat(DATA_SELECTOR, DATA));
  core.set('rip', BigInt(state.entry));
  core.set('rsp', BigInt(STACK_TOP));
}

function writeGdt(memory: GuestMemory, at: number, codeRights: number): void {
  const view = viewOf(memory, at, GDT_BYTES);
  [CODE_SELECTOR, DATA_SELECTOR].forEach((selector, index) => {
    const rights = index === 0 ? codeRights : DATA;
    view.setUint32(selector, 0x0000_ffff, true);
    view.setUint32(selector + 4, (((rights & 0xf000) | 0x0f00) << 8) | ((rights & 0xff) << 8), true);
  });
}

/** Maps the first 4 GiB onto themselves in 2 MiB pages; returns the root. */
function buildIdentityTables(memory: GuestMemory, layout: MemoryLayout): number {
  const root = layout.placeLow('the boot page tables', (2 + MAPPED_GIB) * PAGE);
  memory.bytes(root, (2 + MAPPED_GIB) * PAGE).fill(0);
  const view = viewOf(memory, root, (2 + MAPPED_GIB) * PAGE);
  const table = Entry.PRESENT | Entry.WRITABLE;
  view.setBigUint64(0, BigInt(root + PAGE) | table, true);
  for (let gib = 0; gib < MAPPED_GIB; gib++) {
    const directory = (2 + gib) * PAGE;
    view.setBigUint64(PAGE + 8 * gib, BigInt(root + directory) | table, true);
    for (let i = 0; i < 512; i++) {
      view.setBigUint64(directory + 8 * i, BigInt(gib * GIB + i * 2 * MIB) | table | Entry.LARGE, true);
    }
  }
  return root;
}

function viewOf(memory: GuestMemory, at: number, length: number): DataView {
  const bytes = memory.bytes(at, length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
