/**
 * VM-entry checks on the guest state (SDM Vol. 3C, "Checking and Loading Guest State"): the rule that is broken, or
 * Rule.NONE; entryQualification says more to the guest's hypervisor.
 */
import { Rule } from './fields.gen';

/** Exit qualification of an entry that fails here. */
export let entryQualification: u64 = 0;
export function checkGuest(): Rule {
  entryQualification = 0;
  return Rule.NONE;
}
