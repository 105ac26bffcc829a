/** The exports of the processor: what src/core/index.ts calls. Everything else it reads and writes in the state block. */
import { cpu } from './cpu/state';
import { resetNested } from './mmu/ept';
import { resetTlbs } from './mmu/tlb';
import { initBlocks } from './exec/build';
import { setSlot } from './cpu/phys';
import { updateMode } from './mmu/mode';
import { listenToEoi } from './apic/apic';
import { ioapicEoi } from './apic/ioapic';
import { dropAllCode } from './code/blocks';
import { run } from './exec/run';
export { run, setSlot, updateMode };
export { reset } from './exec/reset';
export { wholeRflags as rflags, loadRflags as setRflags } from './cpu/rflags';
export { retired, attend, delay, clock as now } from './cpu/pending';
export { codeWritten } from './code/blocks';
export { flushEverything as flushAll } from './mmu/tlb';
export { updateDebug } from './cpu/debug';
export { deliverMsi, setIoapicPin } from './apic/ioapic';
export { readMsr, msrValue, writeMsr } from './ops/msr';

/**
 * Rebuilds what is not architectural state, after a snapshot was put back: decoded code, translations, and what VM entries
 * need not check again are dropped.
 */
export function forgetCaches(): void {
  dropAllCode();
  resetTlbs();
  resetNested();
  cpu.clean = 0;
  updateMode();
}

/** Brings tables that are not static data into being. Once, before anything else. */
export function init(): void {
  initBlocks();
  listenToEoi(ioapicEoi);
  resetTlbs();
}
