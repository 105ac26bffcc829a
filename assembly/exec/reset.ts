/** Reset (SDM Vol. 3A, "Processor State After Reset"). */
import { cpu, GPR, Seg, YMM } from '../cpu/state';
import { setRflags } from '../cpu/flags';
import { Cr0 } from '../cpu/control';
import { Rights, setSegment } from '../cpu/segments';
import { modelWord, Word } from '../cpu/features';
import { resetMsrs } from '../cpu/msr';
import { resetApic } from '../apic/apic';
import { updateMode } from '../mmu/mode';
import { dropAllCode } from '../mmu/blocks';
import { flushAll } from '../mmu/tlb';

const DATA: u32 = Rights.P | Rights.S | Rights.WRITABLE | Rights.ACCESSED;

/** Power-on state: real mode at F000:FFF0. */
export function reset(): void {
  memory.fill(GPR, 0, 16 * 8);
  memory.fill(YMM, 0, 0x280);
  store<u64>(GPR + 16, modelWord(Word.SIGNATURE));
  for (let s: u32 = 0; s < 6; s++) setSegment(s, 0, 0, 0xffff, DATA);
  setSegment(Seg.CS, 0xf000, 0xffff0000, 0xffff, DATA | Rights.CODE);
  setSegment(Seg.LDTR, 0, 0, 0xffff, 0x82);
  setSegment(Seg.TR, 0, 0, 0xffff, 0x8b);
  cpu.blockRip = 0xfff0;
  setRflags(2);
  cpu.cr0 = Cr0.ET | Cr0.NW | Cr0.CD;
  cpu.cr2 = 0;
  cpu.cr3 = 0;
  cpu.cr4 = 0;
  cpu.efer = 0;
  cpu.xcr0 = 1;
  cpu.cpl = 0;
  cpu.dr6 = 0xffff0ff0;
  cpu.dr7 = 0x400;
  cpu.gdtrBase = 0;
  cpu.gdtrLimit = 0xffff;
  cpu.idtrBase = 0;
  cpu.idtrLimit = 0xffff;
  cpu.mxcsr = 0x1f80;
  cpu.fcw = 0x40;
  cpu.fsw = 0;
  cpu.ftw = 0xff;
  cpu.apicBase = 0xfee00900;
  cpu.a20Mask = u64.MAX_VALUE;
  resetApic();
  cpu.pending = 0;
  cpu.attention = 0;
  cpu.activity = 0;
  cpu.delivering = -1;
  cpu.shadowAt = u64.MAX_VALUE;
  cpu.resumeAt = u64.MAX_VALUE;
  cpu.pendingDebug = 0;
  cpu.deferred = 0;
  cpu.budget = 0;
  cpu.runEnd = 0;
  resetMsrs();
  dropAllCode();
  updateMode();
  flushAll();
}
