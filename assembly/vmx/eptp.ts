/** The EPT pointer (SDM Vol. 3C, "Extended-Page-Table Pointer (EPTP)"). */
import { cpu } from '../cpu/state';
import { offersEptVpid } from './controls';

const enum Cap { WALK_4 = 6, WALK_5 = 7, UNCACHEABLE = 8, WRITE_BACK = 14, ACCESSED_DIRTY = 21 }
const UNCACHEABLE: u64 = 0;
const WRITE_BACK: u64 = 6;
const RESERVED: u64 = 0xf80;

/** May the processor use `eptp`: memory type, page-walk length, accessed and dirty bits, reserved bits? */
export function isEptPointer(eptp: u64): bool {
  const type = eptp & 7;
  if (type == UNCACHEABLE ? !offersEptVpid(Cap.UNCACHEABLE) : type != WRITE_BACK || !offersEptVpid(Cap.WRITE_BACK))
    return false;
  const length = ((eptp >> 3) & 7) + 1;
  if (length == 4 ? !offersEptVpid(Cap.WALK_4) : length != 5 || !offersEptVpid(Cap.WALK_5)) return false;
  if ((eptp & 0x40) != 0 && !offersEptVpid(Cap.ACCESSED_DIRTY)) return false;
  return (eptp & (RESERVED | ~cpu.physMask)) == 0;
}
