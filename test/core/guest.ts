/** Small guests for tests of the processor: hand-assembled bytes in 32-bit flat protected mode without paging. */
import { type CoreOptions, createCore, type WasmCore } from '../../src/core.ts';
import type { Bus } from '../../src/core-types.ts';

/** A bus without devices: reads are all ones, writes go nowhere. */
export const emptyBus: Bus = {
  portIn: (_port, width) => 2 ** (8 * width) - 1,
  portOut: () => {},
  mmioRead: (_pa, width) => 2 ** (8 * width) - 1,
  mmioWrite: () => {},
  interruptAcknowledge: () => 0xff,
};

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

export function u32(core: WasmCore, pa: number): number {
  const bytes = core.memory.bytes(pa, 4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}
