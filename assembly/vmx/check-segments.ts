/** VM-entry checks on the guest's segment registers (SDM Vol. 3C, "Checks on Guest Segment Registers"). */
import { Seg } from '../cpu/state';
import { Cr0 } from '../cpu/control';
import { Flag } from '../cpu/flags';
import { isCanonicalForRegister } from '../cpu/features';
import { Rights } from '../cpu/segments';
import { EntryControl, Secondary } from './controls';
import { secondaryControls } from './check-fields';
import { Rule } from './fields.gen';
import { entered } from './entered';
import { Field } from './vmcs';

const TI: u32 = 4;
const TYPE: u32 = 15;
const CODE_ACCESSED: u32 = Rights.CODE | Rights.ACCESSED;
const DATA_ACCESSED: u32 = Rights.WRITABLE | Rights.ACCESSED;
/** Bits 11:8 and 31:17 of access rights. */
const RESERVED: u32 = 0xfffe0f00;

@inline function selectorOf(s: u32): u32 { return entered<u16>(Field.GUEST_ES_SELECTOR + (s << 3)); }
@inline function baseOf(s: u32): u64 { return entered<u64>(Field.GUEST_ES_BASE + (s << 3)); }
@inline function limitOf(s: u32): u32 { return entered<u32>(Field.GUEST_ES_LIMIT + (s << 3)); }
@inline function rightsOf(s: u32): u32 { return entered<u32>(Field.GUEST_ES_ACCESS_RIGHTS + (s << 3)); }
@inline function dplOf(s: u32): u32 { return (rightsOf(s) >> 5) & 3; }
@inline function isUsable(s: u32): bool { return (rightsOf(s) & Rights.UNUSABLE) == 0; }
/** Is it CS, or another one that is usable? */
@inline function counts(s: u32): bool { return s == <u32>Seg.CS || isUsable(s); }
@inline function isData(s: u32): bool { return s != <u32>Seg.CS && s != <u32>Seg.SS; }
/** Can G be what it is with this limit? */
function fitsLimit(s: u32): bool {
  const limit = limitOf(s);
  return (rightsOf(s) & Rights.G) != 0 ? (limit & 0xfff) == 0xfff : limit >> 20 == 0;
}

export function checkSegments(): Rule {
  const v86 = (entered<u64>(Field.GUEST_RFLAGS) & Flag.VM) != 0;
  const restricted = (secondaryControls() & Secondary.UNRESTRICTED) == 0;
  if ((selectorOf(Seg.TR) & TI) != 0) return Rule.TR_SELECTOR;
  if (isUsable(Seg.LDTR) && (selectorOf(Seg.LDTR) & TI) != 0) return Rule.LDTR_SELECTOR;
  if (!v86 && restricted && ((selectorOf(Seg.SS) ^ selectorOf(Seg.CS)) & 3) != 0) return Rule.SS_SELECTOR;
  if (v86) for (let s: u32 = 0; s < 6; s++) if (baseOf(s) != <u64>selectorOf(s) << 4) return Rule.V86_BASE;
  for (let s: u32 = Seg.FS; s <= <u32>Seg.TR; s++) {
    if ((s != <u32>Seg.LDTR || isUsable(s)) && !isCanonicalForRegister(baseOf(s))) return Rule.SYSTEM_BASE;
  }
  for (let s: u32 = 0; s <= <u32>Seg.DS; s++) if (counts(s) && baseOf(s) >> 32 != 0) return Rule.HIGH_BASE;
  if (v86) {
    for (let s: u32 = 0; s < 6; s++) if (limitOf(s) != 0xffff) return Rule.V86_LIMIT;
    for (let s: u32 = 0; s < 6; s++) if (rightsOf(s) != 0xf3) return Rule.V86_RIGHTS;
  } else {
    const rule = checkRights(restricted);
    if (rule != Rule.NONE) return rule;
  }
  return checkSystem();
}

/** "Access-rights fields" of the six registers outside virtual-8086 mode. */
function checkRights(restricted: bool): Rule {
  const cs = rightsOf(Seg.CS), type = cs & TYPE;
  const isDataCs = type == DATA_ACCESSED;
  if ((cs & CODE_ACCESSED) != CODE_ACCESSED && (restricted || !isDataCs)) return Rule.CS_TYPE;
  if (isUsable(Seg.SS) && (rightsOf(Seg.SS) & (TYPE & ~Rights.EXPAND_DOWN)) != DATA_ACCESSED) return Rule.SS_TYPE;
  for (let s: u32 = 0; s < 6; s++) {
    if (!isData(s) || !isUsable(s)) continue;
    const rights = rightsOf(s);
    if ((rights & Rights.ACCESSED) == 0 || (rights & (Rights.CODE | Rights.READABLE)) == Rights.CODE)
      return Rule.DATA_TYPE;
  }
  for (let s: u32 = 0; s < 6; s++) if (counts(s) && (rightsOf(s) & Rights.S) == 0) return Rule.SEGMENT_S;
  const dpl = dplOf(Seg.CS), ssDpl = dplOf(Seg.SS);
  if (isDataCs ? dpl != 0 : (type & Rights.CONFORMING) != 0 ? dpl > ssDpl : dpl != ssDpl) return Rule.CS_DPL;
  if (restricted && ssDpl != (selectorOf(Seg.SS) & 3)) return Rule.SS_DPL;
  if ((isDataCs || (entered<u64>(Field.GUEST_CR0) & Cr0.PE) == 0) && ssDpl != 0) return Rule.SS_DPL;
  for (let s: u32 = 0; s < 6; s++) {
    if (restricted && isData(s) && isUsable(s) && (rightsOf(s) & TYPE) <= 11 && dplOf(s) < (selectorOf(s) & 3))
      return Rule.DATA_DPL;
  }
  for (let s: u32 = 0; s < 6; s++) if (counts(s) && (rightsOf(s) & Rights.P) == 0) return Rule.SEGMENT_P;
  for (let s: u32 = 0; s < 6; s++) if (counts(s) && (rightsOf(s) & RESERVED) != 0) return Rule.SEGMENT_RESERVED;
  const long = (entered<u32>(Field.ENTRY_CONTROLS) & EntryControl.IA32E_GUEST) != 0;
  if (long && (cs & (Rights.L | Rights.DB)) == (Rights.L | Rights.DB)) return Rule.CS_DB;
  for (let s: u32 = 0; s < 6; s++) if (counts(s) && !fitsLimit(s)) return Rule.SEGMENT_G;
  return Rule.NONE;
}

/** TR and LDTR. */
function checkSystem(): Rule {
  const BUSY_TSS16: u32 = 3, BUSY_TSS: u32 = 11, LDT: u32 = 2;
  const long = (entered<u32>(Field.ENTRY_CONTROLS) & EntryControl.IA32E_GUEST) != 0;
  const tr = rightsOf(Seg.TR), type = tr & TYPE;
  if (type != BUSY_TSS && (long || type != BUSY_TSS16)) return Rule.TR_TYPE;
  const FIXED: u32 = Rights.S | Rights.P | RESERVED;
  if ((tr & (FIXED | Rights.UNUSABLE)) != <u32>Rights.P) return Rule.TR_RIGHTS;
  if (!fitsLimit(Seg.TR)) return Rule.TR_G;
  if (!isUsable(Seg.LDTR)) return Rule.NONE;
  if ((rightsOf(Seg.LDTR) & (TYPE | FIXED)) != (LDT | Rights.P)) return Rule.LDTR_RIGHTS;
  return fitsLimit(Seg.LDTR) ? Rule.NONE : Rule.LDTR_G;
}
