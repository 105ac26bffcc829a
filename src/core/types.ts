/**
 * What the machine may ask of a processor, and what a processor may ask of the machine. The rest of src/ sees the
 * processor only through these types; only src/core knows that it is WebAssembly.
 */

import type { Saved } from '../saved.ts';
import { RunStop } from './enums.gen.ts';
import type { VmxView } from './vmx-types.ts';

/** The bytes of the processor's module, or the module compiled (`WebAssembly.Module`, a name of the DOM's types). */
export type CoreSource = Uint8Array | ArrayBuffer | object;

/** Width of a port or MMIO access in bytes. Eight-byte MMIO is split by the processor into two accesses of four. */
export type Width = 1 | 2 | 4;

/** The processor's way out. Addresses are physical (exact below 2^53); values are unsigned and fit the width. */
export interface Bus {
  portIn(port: number, width: Width): number;
  portOut(port: number, width: Width, value: number): void;
  mmioRead(pa: number, width: Width): number;
  mmioWrite(pa: number, width: Width, value: number): void;
  /** The INTA cycle: the PIC answers with the vector of the request that raised INTR. */
  interruptAcknowledge(): number;
  /** The FERR# pin: an x87 exception waits to be heard of by other means than #MF. Absent where nobody listens. */
  ferr?(asserted: boolean): void;
}

/**
 * What is due at this nanosecond since power-on or later is never due: 146 years, beyond which neither 64 bits of
 * nanoseconds nor a PIT's ticks in a number would hold what follows.
 */
export const NEVER = 2n ** 62n;

/** Why `run` came back. */
export const Stop = {
  /** The budget is used up, or an event is due. */
  BUDGET: RunStop.BUDGET,
  /** HLT with nothing to wake the processor yet. */
  HALT: RunStop.HALT,
  /** Triple fault: the processor is in shutdown. */
  SHUTDOWN: RunStop.SHUTDOWN,
  /** Somebody called `requestStop` from a bus callback. */
  REQUESTED: RunStop.REQUESTED,
  /** Waiting for SIPI: an application processor that was not started yet. */
  WAIT_FOR_SIPI: RunStop.WAIT_FOR_SIPI,
} as const;
export type Stop = (typeof Stop)[keyof typeof Stop];

export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
export type SegmentName = (typeof SEGMENTS)[number];

// biome-ignore format: two rows of eight, as the encodings
export const GPRS = [
  'rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi',
  'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15',
] as const;
export type GprName = (typeof GPRS)[number];

/** 64-bit registers by the manual's names; segment parts as `cs.base`. All values are unsigned. */
// biome-ignore format: a row per kind
export type RegisterName =
  | GprName
  | 'rip' | 'rflags'
  | 'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer' | 'xcr0'
  | 'dr0' | 'dr1' | 'dr2' | 'dr3' | 'dr6' | 'dr7'
  | 'gdtr.base' | 'gdtr.limit' | 'idtr.base' | 'idtr.limit';

/** A segment register. `rights` is the VMX access-rights format: bits 7:0 and 15:12 of the descriptor, bit 16 unusable. */
export interface Segment {
  selector: number;
  base: bigint;
  limit: number;
  rights: number;
}

/** Guest RAM, bounds-checked; every method throws RangeError outside it. */
export interface GuestMemory {
  readonly size: number;
  /** A view of `length` bytes at physical address `pa`. Not to be kept: memory may grow. */
  bytes(pa: number, length: number): Uint8Array;
}

/** What the processor finds at a part of the 256 KiB below 1 MiB: the RAM there, or memory beside RAM. */
export interface ShadowRange {
  /** In whole pages. */
  readonly pa: number;
  readonly length: number;
  /** An offset in the memory beside RAM, or the RAM at the same address. */
  readonly source: 'ram' | number;
  readonly isWritable: boolean;
}

/** Floating-point and vector registers. */
export interface FpuState {
  mxcsr: number;
  /** 16 registers of 32 bytes. */
  readonly ymm: Uint8Array;
  fcw: number;
  fsw: number;
  /** Abridged tag word: bit i is set when physical register i is not empty. */
  ftw: number;
  /** 8 registers of 10 bytes in stack order. */
  readonly st: Uint8Array;
}

/** The memory that the processors of a machine share, as only src/core knows it. */
export type Backing = object;

/** The pins of a processor that a PC's chipset drives. */
export interface ChipsetPins {
  /** The A20M# pin: while it is asserted (`isOpen` false) address bit 20 is 0. */
  setA20(isOpen: boolean): void;
  /** The IGNNE# pin: while it is asserted, pending x87 exceptions are ignored where CR0.NE = 0. */
  setIgnne(asserted: boolean): void;
}

/** What a processor finds at physical addresses besides RAM. */
export interface MemoryMap {
  /** Memory beside RAM: firmware, video memory. */
  readonly extra: Uint8Array;
  /**
   * Lets `length` bytes of `extra` from `offset` on appear at physical address `pa`; writes to `rom` go to the bus. There
   * are 12 slots; a slot defined again moves. RAM has precedence. Throws RangeError outside `extra` and the slots.
   */
  mapExtra(slot: number, pa: number, offset: number, length: number, access: 'ram' | 'rom'): void;
  /**
   * From now on 0xc0000 to 0xfffff is what `ranges` say (16 at most), or all RAM for null. Writes to what is not writable,
   * and all accesses to what no range names, go to the bus. RAM has 1 MiB at least.
   */
  shadow(ranges: readonly ShadowRange[] | null): void;
  /** From now on 0xa0000 to 0xbffff is no RAM but a device's. RAM has 1 MiB at least. */
  openVgaWindow(): void;
}

/** The delivery of an event: an exception or interrupt. */
export interface Delivery {
  vector: number;
  errorCode: number;
  /** INT n, INT3, INTO or INT1. */
  isSoftware: boolean;
}

/** Lets people see what a processor does from one instruction to the next. */
export interface EventTrace {
  /** The privilege level that the processor is at. */
  readonly cpl: number;
  /** The delivery that began last since the last call; null for none. */
  takeDelivery(): Delivery | null;
}

/** A processor's state block, and in the first one's the I/O APIC and the mailboxes, which all of them share. */
export type CoreState = { block: Uint8Array; shared: Uint8Array | null };

/** One virtual processor. */
export interface Core {
  readonly memory: GuestMemory;
  /** What further processors of the same machine are made with. */
  readonly backing?: Backing;
  /** Runs at most `budget` instructions (1 .. 2^30). */
  run(budget: number): Stop;
  /** To be called from a bus callback: `run` comes back with REQUESTED at the next instruction boundary. */
  requestStop(): void;
  /**
   * To be called from a bus callback: the access takes `ns` nanoseconds of virtual time. They count against the budget, so
   * that `run` comes back for an event in time.
   */
  spend(ns: number): void;
  /** Instructions retired since reset. */
  readonly retired: number;
  /** Virtual time in nanoseconds (one instruction is one nanosecond) since reset, with what `advance` added. */
  readonly now: bigint;
  /** Moves virtual time forward (idle guests). */
  advance(ns: number): void;
  /** Virtual time of the processor's own next event (its APIC timer), Infinity where there is none. */
  readonly nextDeadline: bigint;
  /** The INTR pin, as driven by the PIC. */
  setIntr(level: boolean): void;
  /** Drives pin `pin` (0 to 23) of the I/O APIC. */
  setIoapicPin(pin: number, level: boolean): void;
  /** A device's message-signalled interrupt: a write of `data` to `address`, below 4 GiB. */
  deliverMsi(address: number, data: number): void;
  /** Sends an NMI edge. */
  nmi(): void;
  /** Power-on reset: CS:RIP = F000:FFF0, everything by SDM Vol. 3A, "Processor State After Reset". RAM is kept. */
  reset(): void;
  /** Tells the processor that the embedder wrote to memory which may hold decoded code. */
  invalidateCode(pa: number, length: number): void;
  getFpu(into: FpuState): void;
  setFpu(from: FpuState): void;
  get(register: RegisterName): bigint;
  set(register: RegisterName, value: bigint): void;
  getSegment(name: SegmentName): Segment;
  setSegment(name: SegmentName, value: Segment): void;
  readMsr(index: number): bigint;
  writeMsr(index: number, value: bigint): void;
  // Powers that a processor may lack.

  readonly chipset?: ChipsetPins;
  readonly memoryMap?: MemoryMap;
  /** Absent where a processor's state cannot be had. */
  readonly saved?: Saved<CoreState>;
  readonly trace?: EventTrace;
  /** Exits, failed entries, the current VMCS. */
  readonly vmx?: VmxView;
}
