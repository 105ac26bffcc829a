/** SDM Vol. 3C, "Page-Modification Logging" */
import { physWrite } from '../cpu/phys';
import { Secondary } from './controls';
import { entered } from './entered';
import { hasSecondary } from './guest';
import { Field, field, setField } from './vmcs';

const LAST: u32 = 511;

/** Logs that guest-physical address `gpa` became dirty, if the guest's pages are logged. False: the log is full. */
export function logPage(gpa: u64): bool {
  if (!hasSecondary(Secondary.PML)) return true;
  const index = field<u32>(Field.PML_INDEX) & 0xffff;
  if (index > LAST) return false;
  physWrite<u64>(entered<u64>(Field.PML_ADDRESS) + (index << 3), gpa & ~0xfff);
  setField<u32>(Field.PML_INDEX, (index - 1) & 0xffff);
  return true;
}
