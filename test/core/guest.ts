/** Small guests for tests of the processor: hand-assembled bytes in 32-bit flat protected mode without paging. */
import { type CoreOptions, createCore, type WasmCore } from '../../src/core/index.ts';
import type { Bus } from '../../src/core/types.ts';

/** A bus without devices: reads are all ones, writes go nowhere. */
export const emptyBus: Bus = {
  portIn: (_port, width) => 2 ** (8 * width) - 1,
  portOut: () => {},
  mmioRead: (_pa, width) => 2 ** (8 * width) - 1,
  mmioWrite: () => {},
  interruptAcknowledge: () => 0xff,
};

const IA32_APIC_BASE = 0x1b;
const X2APIC_ENABLED = 0xc00n;
const IA32_X2APIC_ICR = 0x830;
const FLAT = { base: 0n, limit: 0xffff_ffff };
const CODE = { ...FLAT, selector: 8, rights: 0xc09b };
const DATA = { ...FLAT, selector: 16, rights: 0xc093 };

/** Puts `core`, even one that waits for SIPI, in ring 0 of flat 32-bit protected mode at `rip`, with ESP below `stack`. */
export function enterFlat32(core: WasmCore, rip: number, stack: number): void {
  core.set('cr0', 0x11n);
  core.setSegment('cs', CODE);
  for (const name of ['ds', 'es', 'ss'] as const) core.setSegment(name, DATA);
  core.set('rip', BigInt(rip));
  core.set('rsp', BigInt(stack));
  core.state.setNumber('activity', 0);
  core.state.setNumber('attention', 0);
}

/** A processor with 1 MiB of RAM and `code` at 0x1000, about to run it in flat 32-bit mode. */
export async function flat32(code: readonly number[], options: Partial<CoreOptions> = {}): Promise<WasmCore> {
  const core = await createCore({ memoryBytes: 1 << 20, bus: emptyBus, ...options });
  core.memory.bytes(0x1000, code.length).set(code);
  enterFlat32(core, 0x1000, 0x8000);
  return core;
}

/** Where takeInterrupts puts its tables. */
const GDT = 0x5000;
const IDT = 0x5100;

/** Gives `core` the x2APIC and, for interrupts of `vector`, a gate to `handler`. */
export function takeInterrupts(core: WasmCore, vector: number, handler: number): void {
  const segment = (type: number) => [0xff, 0xff, 0, 0, 0, type, 0xcf, 0];
  core.memory.bytes(GDT, 24).set([...new Array(8).fill(0), ...segment(0x9b), ...segment(0x93)]);
  core.memory.bytes(IDT + 8 * vector, 8).set([handler & 0xff, handler >> 8, 8, 0, 0, 0x8e, 0, 0]);
  for (const [name, base] of [
    ['gdtr', GDT],
    ['idtr', IDT],
  ] as const) {
    core.set(`${name}.base`, BigInt(base));
    core.set(`${name}.limit`, 0x7ffn);
  }
  core.writeMsr(IA32_APIC_BASE, core.readMsr(IA32_APIC_BASE) | X2APIC_ENABLED);
}

/**
 * Lets the bootstrap processor start application processor `id` at 0x8000, by INIT and SIPI through the x2APIC (SDM
 * Vol. 3A, "MP Initialization Protocol Algorithm for MP Systems").
 */
export function startProcessor(bootstrap: WasmCore, id: number): void {
  const destination = BigInt(id) << 32n;
  bootstrap.writeMsr(IA32_APIC_BASE, bootstrap.readMsr(IA32_APIC_BASE) | X2APIC_ENABLED);
  bootstrap.writeMsr(IA32_X2APIC_ICR, destination | 0x4500n);
  bootstrap.writeMsr(IA32_X2APIC_ICR, destination | 0x4608n);
}

export function u32(core: WasmCore, pa: number): number {
  const bytes = core.memory.bytes(pa, 4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}
