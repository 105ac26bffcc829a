/** What several VM-entry checks ask of the fields of the current VMCS. */
import { cpu } from '../cpu/state';
import { isCanonicalForRegister, modelWord, Word } from '../cpu/features';
import { Efer } from '../cpu/control';
import { Primary } from './controls';
import { entered } from './entered';
import { Field } from './vmcs';

/** The secondary controls in the VMCS; 0 where the primary ones do not activate them. */
export function secondaryControls(): u32 {
  return (entered<u32>(Field.PRIMARY_CONTROLS) & Primary.SECONDARY) != 0 ? entered<u32>(Field.SECONDARY_CONTROLS) : 0;
}
/** Is the field a physical address of this processor with the bits of `low` clear? */
export function isAddress(f: u32, low: u64 = 0xfff): bool { return (entered<u64>(f) & (low | ~cpu.physMask)) == 0; }
/** Are the fields at `f` and at `g` canonical? */
export function areCanonical(f: u32, g: u32): bool {
  return isCanonicalForRegister(entered<u64>(f)) && isCanonicalForRegister(entered<u64>(g));
}
/** Does `value` have the bits of word `zero` of the model set, but for those of `free`, and none beside word `one`? */
export function isFixed(value: u64, zero: u32, one: u32, free: u64 = 0): bool {
  return (modelWord(zero) & ~free & ~value) == 0 && (value & ~modelWord(one)) == 0;
}
export function hasReservedEfer(value: u64): bool { return (value & ~(modelWord(Word.EFER) | Efer.LMA)) != 0; }
/** Are LMA and LME both 1, or both 0? */
export function isLmaLme(value: u64): bool { return (value & Efer.LMA) >> 2 == (value & Efer.LME); }
