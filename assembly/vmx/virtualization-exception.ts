/** SDM Vol. 3C, "Virtualization Exceptions" */
import { cpu } from '../cpu/state';
import { Cr0 } from '../cpu/control';
import { Exit } from '../cpu/exit';
import { raise, Vector } from '../cpu/pending';
import { physRead, physWrite } from '../cpu/phys';
import { Secondary } from './controls';
import { entered } from './entered';
import { hasSecondary } from './guest';
import { Field, field } from './vmcs';

/** Makes an EPT violation #VE and fills the information area, unless that is in use. False: it is a VM exit. */
export function raiseVirtualizationException(gpa: u64, la: u64, qualification: u64): bool {
  if (!hasSecondary(Secondary.EPT_VIOLATION_VE)) return false;
  const area = entered<u64>(Field.VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS);
  if ((cpu.cr0 & Cr0.PE) == 0 || cpu.delivering >= 0 || physRead<u32>(area + 4) != 0) return false;
  physWrite<u32>(area, Exit.EPT_VIOLATION);
  physWrite<u32>(area + 4, 0xffffffff);
  physWrite<u64>(area + 8, qualification);
  physWrite<u64>(area + 16, la);
  physWrite<u64>(area + 24, gpa);
  physWrite<u16>(area + 32, field<u16>(Field.EPTP_INDEX));
  raise(Vector.VE);
  return true;
}
