/**
 * What the controls of a VMCS intercept, in our word for it; and what only bitmaps, lists and masks of a VMCS can answer
 * (SDM Vol. 3C, "Instructions That Cause VM Exits Conditionally", "Other Causes of VM Exits").
 */
import { cpu } from '../cpu/state';
import { Intercept, interceptBit } from '../cpu/intercepts';
import { Vector } from '../cpu/pending';
import { physRead } from '../cpu/phys';
import { secondaryControls } from './check-fields';
import { Pin, Primary, Secondary } from './controls';
import { entered } from './entered';
import { hasPrimary } from './guest';
import { Field, field } from './vmcs';

/** What exits whatever the controls say. */
const ALWAYS: u64 = <u64>1 << Intercept.CPUID | <u64>1 << Intercept.INVD | <u64>1 << Intercept.XSETBV
  | <u64>1 << Intercept.TASK_SWITCH | <u64>1 << Intercept.MSRS;

/** `bits` of the word where `controls` have one of `wanted`. */
@inline function when(controls: u32, wanted: u32, bits: u64): u64 { return (controls & wanted) != 0 ? bits : 0; }
@inline function bit(what: Intercept): u64 { return interceptBit(what); }

/** The word for a guest of the VMCS whose controls are ENTERED. */
export function interceptsOf(): u64 {
  const pin = entered<u32>(Field.PIN_BASED_CONTROLS);
  const primary = entered<u32>(Field.PRIMARY_CONTROLS);
  const secondary = secondaryControls();
  const events = when(pin, Pin.EXTERNAL_INTERRUPT, bit(Intercept.INTERRUPT)) | when(pin, Pin.NMI, bit(Intercept.NMI));
  return ALWAYS | events | ofPrimary(primary) | ofSecondary(secondary);
}
function ofPrimary(controls: u32): u64 {
  return when(controls, Primary.INTERRUPT_WINDOW, bit(Intercept.INTERRUPT_WINDOW))
    | when(controls, Primary.NMI_WINDOW, bit(Intercept.NMI_WINDOW))
    | when(controls, Primary.HLT, bit(Intercept.HLT))
    | when(controls, Primary.INVLPG, bit(Intercept.INVLPG) | bit(Intercept.INVPCID))
    | when(controls, Primary.MWAIT, bit(Intercept.MWAIT))
    | when(controls, Primary.RDPMC, bit(Intercept.RDPMC))
    | when(controls, Primary.RDTSC, bit(Intercept.RDTSC) | bit(Intercept.RDTSCP))
    | when(controls, Primary.CR3_LOAD, bit(Intercept.WRITE_CR3))
    | when(controls, Primary.CR3_STORE, bit(Intercept.READ_CR3))
    | when(controls, Primary.CR8_LOAD, bit(Intercept.WRITE_CR8))
    | when(controls, Primary.CR8_STORE, bit(Intercept.READ_CR8))
    | when(controls, Primary.MOV_DR, bit(Intercept.MOV_DR))
    | when(controls, Primary.UNCONDITIONAL_IO | Primary.IO_BITMAPS, bit(Intercept.PORTS))
    | when(controls, Primary.MONITOR_TRAP, bit(Intercept.STEP))
    | when(controls, Primary.MONITOR, bit(Intercept.MONITOR))
    | when(controls, Primary.PAUSE, bit(Intercept.PAUSE));
}
function ofSecondary(controls: u32): u64 {
  return when(controls, Secondary.DESCRIPTOR_TABLE, bit(Intercept.DESCRIPTOR_TABLES))
    | when(controls, Secondary.WBINVD, bit(Intercept.WBINVD))
    | when(controls, Secondary.PAUSE_LOOP, bit(Intercept.PAUSE_LOOP))
    | when(controls, Secondary.RDRAND, bit(Intercept.RDRAND))
    | when(controls, Secondary.RDSEED, bit(Intercept.RDSEED))
    | when(controls, Secondary.XSAVES, bit(Intercept.XSAVES))
    | when(~controls, Secondary.RDTSCP, bit(Intercept.NO_RDTSCP))
    | when(~controls, Secondary.INVPCID, bit(Intercept.NO_INVPCID))
    | when(~controls, Secondary.XSAVES, bit(Intercept.NO_XSAVES));
}

/** Does exception `vector` exit (SDM Vol. 3C, "Exceptions")? `errorCode` is that of a page fault. */
export function exitsOnException(vector: u32, errorCode: u32): bool {
  const wanted = (cpu.exceptionBitmap >> vector & 1) != 0;
  if (vector != Vector.PF) return wanted;
  const masked = errorCode & field<u32>(Field.PAGE_FAULT_ERROR_CODE_MASK);
  return wanted == (masked == field<u32>(Field.PAGE_FAULT_ERROR_CODE_MATCH));
}

/** Do the ports from `port` on exit? A range that wraps around always does with bitmaps. */
export function exitsOnPorts(port: u32, width: u32): bool {
  if (!hasPrimary(Primary.IO_BITMAPS)) return true;
  for (let p = port; p < port + width; p++) {
    const bitmap = entered<u64>(p < 0x8000 ? Field.IO_BITMAP_A_ADDRESS : Field.IO_BITMAP_B_ADDRESS);
    if (p > 0xffff || (physRead<u8>(bitmap + ((p & 0x7fff) >> 3)) >> <u8>(p & 7) & 1) != 0) return true;
  }
  return false;
}

/** Bytes of the MSR bitmaps before those for C0000000H on, and before those for writes. */
const enum Bitmap { HIGH = 1024, WRITE = 2048, MSRS = 0x2000 }
/** Does accessing MSR `index` exit (SDM Vol. 3C, "MSR-Bitmap Address")? */
export function exitsOnMsr(index: u32, write: bool): bool {
  const high = index >= 0xc0000000;
  const n = high ? index - 0xc0000000 : index;
  if (!hasPrimary(Primary.MSR_BITMAPS) || n >= <u32>Bitmap.MSRS) return true;
  const from: u64 = (write ? <u64>Bitmap.WRITE : 0) + (high ? <u64>Bitmap.HIGH : 0);
  return (physRead<u8>(entered<u64>(Field.MSR_BITMAPS_ADDRESS) + from + (n >> 3)) >> <u8>(n & 7) & 1) != 0;
}

/** Do XSAVES and XRSTORS of these components exit? */
export function exitsOnComponents(components: u64): bool { return (components & field<u64>(Field.XSS_EXITING_BITMAP)) != 0; }

/** Does a PAUSE at virtual time `time` exit as one of a loop (SDM Vol. 3C, "PAUSE-loop exiting")? */
export function exitsInPauseLoop(time: u64): bool {
  const first = cpu.pauseAt == 0 || time - cpu.pauseAt > <u64>field<u32>(Field.PLE_GAP);
  cpu.pauseAt = time;
  if (first) cpu.pauseLoopAt = time;
  return !first && time - cpu.pauseLoopAt > <u64>field<u32>(Field.PLE_WINDOW);
}
