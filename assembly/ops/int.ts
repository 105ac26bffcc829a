/** Software interrupts (SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"). */
import { cpu } from '../cpu/state';
import { abandoned, Event, raise, raiseSoftware, Vector } from '../cpu/pending';
import { Flag, ovf, signExtend } from '../cpu/flags';
import { inV86 } from '../cpu/segments';
import { read } from '../mmu/access';
import { memoryAddress } from '../isa/operand';
import { lengthOf, nextRip, Rec } from '../isa/record';

function interrupt(i: Rec, vector: u32, type: i32): void {
  cpu.eventLength = lengthOf(i);
  raiseSoftware(vector, type);
}

export function opInt<S>(i: Rec): void {
  const vector = <u32>i.imm & 0xff;
  if (inV86() && (cpu.rflags & Flag.IOPL) != Flag.IOPL) {
    raise(Vector.GP, 0);
    return;
  }
  interrupt(i, vector, Event.SOFTWARE_INT);
}
export function opInt3(i: Rec): void { interrupt(i, Vector.BP, Event.SOFTWARE_EXCEPTION); }
export function opInto(i: Rec): void {
  if (ovf() != 0) interrupt(i, Vector.OF, Event.SOFTWARE_EXCEPTION);
  else cpu.blockRip = nextRip(i);
}
export function opInt1(i: Rec): void { interrupt(i, Vector.DB, Event.PRIVILEGED_TRAP); }

/** SDM Vol. 2A, "BOUND—Check Array Index Against Bounds": both bounds are signed. */
export function opBound<T, S>(i: Rec): void {
  const index = signExtend<T>(changetype<S>(0).read<T>(i));
  const lowAt = memoryAddress(i, sizeof<T>(), false);
  if (abandoned()) return;
  const low = signExtend<T>(read<T>(lowAt));
  if (abandoned()) return;
  const highAt = memoryAddress(i, sizeof<T>(), false, sizeof<T>());
  if (abandoned()) return;
  const high = signExtend<T>(read<T>(highAt));
  if (abandoned()) return;
  if (<i64>index < <i64>low || <i64>index > <i64>high) raise(Vector.BR);
}
