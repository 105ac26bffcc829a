/** Reset (SDM Vol. 3A, "Processor State After Reset"). */
import { cpu, GPR, Seg, YMM } from '../cpu/state';
import { setRflags } from '../cpu/flags';
import { Cr0 } from '../cpu/control';
import { Rights, setSegment } from '../cpu/segments';
import { modelWord, Word } from '../cpu/features';
import { resetMsrs } from '../cpu/msr';
import { Activity, Attention } from '../cpu/pending';
import { State } from '../cpu/vector-state';
import { enterRootOperation } from '../vmx/guest';
import { NO_VMCS, setCurrent } from '../vmx/vmcs';
import { resetApic } from '../apic/apic';
import { resetIoapic } from '../apic/ioapic';
import { updateMode } from '../mmu/mode';
import { dropAllCode } from '../code/blocks';
import { flushEverything } from '../mmu/tlb';

const DATA: u32 = Rights.P | Rights.S | Rights.WRITABLE | Rights.ACCESSED;

/** What RESET and INIT have in common. */
function resetRegisters(): void {
  memory.fill(GPR, 0, 16 * 8);
  store<u64>(GPR + 16, modelWord(Word.SIGNATURE));
  for (let s: u32 = 0; s < 6; s++) setSegment(s, 0, 0, 0xffff, DATA);
  setSegment(Seg.CS, 0xf000, 0xffff0000, 0xffff, DATA | Rights.CODE);
  setSegment(Seg.LDTR, 0, 0, 0xffff, 0x82);
  setSegment(Seg.TR, 0, 0, 0xffff, 0x8b);
  cpu.blockRip = 0xfff0;
  setRflags(2);
  cpu.cr2 = 0;
  cpu.cr3 = 0;
  cpu.cr4 = 0;
  cpu.efer = 0;
  cpu.cpl = 0;
  cpu.dr0 = 0;
  cpu.dr1 = 0;
  cpu.dr2 = 0;
  cpu.dr3 = 0;
  cpu.dr6 = 0xffff0ff0;
  cpu.dr7 = 0x400;
  cpu.slowData = 0;
  cpu.gdtrBase = 0;
  cpu.gdtrLimit = 0xffff;
  cpu.idtrBase = 0;
  cpu.idtrLimit = 0xffff;
  cpu.pending = 0;
  cpu.attention = 0;
  cpu.activity = 0;
  cpu.delivering = -1;
  cpu.shadowAt = u64.MAX_VALUE;
  cpu.resumeAt = u64.MAX_VALUE;
  cpu.pendingDebug = 0;
  cpu.deferred = 0;
  cpu.nmiPending = 0;
  cpu.nmiBlocked = 0;
  cpu.initPending = 0;
  cpu.extInt = 0;
  cpu.vmxOn = 0;
  cpu.vmxonPa = NO_VMCS;
  cpu.clean = 0;
  setCurrent(NO_VMCS, 0);
  enterRootOperation();
}

/** Power-on state: real mode at F000:FFF0; all processors but the first wait for SIPI. */
export function reset(): void {
  resetRegisters();
  memory.fill(YMM, 0, 0x280);
  cpu.cr0 = Cr0.ET | Cr0.NW | Cr0.CD;
  cpu.xcr0 = 1;
  cpu.mxcsr = 0x1f80;
  cpu.initialized = State.SSE | State.AVX;
  cpu.fcw = 0x40;
  cpu.fsw = 0;
  cpu.ferr = 0;
  cpu.ignne = 0;
  cpu.ftw = 0xff;
  const bootstrap = cpu.id == 0;
  cpu.apicBase = bootstrap ? 0xfee00900 : 0xfee00800;
  if (!bootstrap) {
    cpu.activity = Activity.WAIT_FOR_SIPI;
    cpu.attention = Attention.INACTIVE;
  }
  cpu.a20Mask = u64.MAX_VALUE;
  resetApic();
  if (cpu.id == 0) resetIoapic();
  cpu.budget = 0;
  cpu.runEnd = 0;
  cpu.exitClock = 0;
  resetMsrs();
  dropAllCode();
  updateMode();
  flushEverything();
}

/** State after INIT: caches, floating-point state, MSRs and the APIC's ID stay. */
export function resetByInit(): void {
  const stop = cpu.attention & Attention.STOP;
  const caching = cpu.cr0 & (Cr0.CD | Cr0.NW);
  resetRegisters();
  cpu.cr0 = Cr0.ET | caching;
  cpu.attention = stop;
  resetApic();
  updateMode();
  flushEverything();
}
