/** Software interrupts (SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"). */
import { cpu } from '../cpu/state';
import { Event, raise, raiseSoftware, Vector } from '../cpu/pending';
import { Flag, ovf } from '../cpu/flags';
import { inV86 } from '../cpu/segments';
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
