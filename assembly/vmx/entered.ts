/**
 * The fields of the current VMCS as the VM entry took them over: our own copy, at the offsets of the region. What was
 * checked and is used later (bounds, addresses, the host state) is read here and nowhere else, for the region is memory
 * that programs, other processors and devices can write to at any time (docs/decisions/0021).
 *
 * The copy also tells what need not be checked again: fields whose bytes are those that passed. Which fields are compared,
 * taken anew at each entry, or neither, is in src/isa/vmx/fields.ts.
 */
import { cpu, ENTERED, GUEST_SEG, SEG, Seg } from '../cpu/state';
import { Flag } from '../cpu/flags';
import { segBase, segLimit, segRights, selector, setSegment } from '../cpu/segments';
import { differsInControls, differsInGuest, differsInHost, giveGuest, giveSegments, takeAlways, takeControls, takeGuest, takeHost } from './entered.gen';
import { Field } from './vmcs';

/**
 * Groups of fields in the copy that passed the checks of a VM entry. SEGMENTS: of those of the guest state, those of the
 * segment registers are what the last VM exit found in GUEST_SEG.
 */
export const enum Clean { CONTROLS = 1, HOST = 2, GUEST = 4, CHECKED = 7, SEGMENTS = 8 }

/** Did the last VM exit find the segment registers as the entry loaded them? */
let segmentsStayed: bool = false;

@inline export function entered<T>(f: u32): T { return load<T>(ENTERED + f); }
/** Writes a field that needs no check: to the copy; saveFields writes the guest state to the region. */
@inline export function setEntered<T>(f: u32, value: T): void { store<u64>(ENTERED + f, <u64>value); }
/**
 * Writes the guest state that a VM exit put into the copy to the region. Callers have something to do between the two, for
 * loads of 16 bytes wait for stores of 8.
 */
export function saveFields(): void {
  giveGuest(cpu.vmcs);
  if (!segmentsStayed) giveSegments(cpu.vmcs);
}

@inline export function isClean(fields: u32): bool { return (cpu.clean & fields) != 0; }
@inline export function setClean(): void { cpu.clean |= Clean.CHECKED; }

/** Takes the fields of the current VMCS over. Host and guest checks depend on controls. */
export function takeFields(): void {
  const region = <usize>cpu.vmcs;
  if (differsInControls(region)) {
    takeControls(region);
    cpu.clean = 0;
  }
  if (differsInHost(region)) {
    takeHost(region);
    cpu.clean &= ~(<u32>Clean.HOST);
  }
  const flags = entered<u64>(Field.GUEST_RFLAGS);
  takeAlways(region);
  if (differsInGuest(region) || ((flags ^ entered<u64>(Field.GUEST_RFLAGS)) & Flag.VM) != 0) {
    takeGuest(region);
    cpu.clean &= ~(<u32>(Clean.GUEST | Clean.SEGMENTS));
  }
}

/** Loads the guest's segment registers. */
export function loadSegments(): void {
  if (isClean(Clean.SEGMENTS)) {
    copySegments(SEG, GUEST_SEG);
    if (!ASC_NO_ASSERT) for (let s: u32 = 0; s < 8; s++) assert(isEntered(s), 'an image of segment registers that are not those of the fields');
  } else for (let s: u32 = 0; s < 8; s++) {
    setSegment(s, entered<u32>(Field.GUEST_ES_SELECTOR + (s << 3)), entered<u64>(Field.GUEST_ES_BASE + (s << 3)),
      entered<u32>(Field.GUEST_ES_LIMIT + (s << 3)), entered<u32>(Field.GUEST_ES_ACCESS_RIGHTS + (s << 3)));
  }
  cpu.cpl = (segRights(Seg.SS) >> 5) & 3;
}
function isEntered(s: u32): bool {
  return selector(s) == entered<u16>(Field.GUEST_ES_SELECTOR + (s << 3)) && segBase(s) == entered<u64>(Field.GUEST_ES_BASE + (s << 3)) &&
    segLimit(s) == entered<u32>(Field.GUEST_ES_LIMIT + (s << 3)) && segRights(s) == entered<u32>(Field.GUEST_ES_ACCESS_RIGHTS + (s << 3));
}
/** Saves them to the copy: few guests change one between an entry and the exit after it. */
export function saveSegments(): void {
  // CPL is the DPL of SS, whatever the selector is.
  const at = SEG + (<usize>Seg.SS << 5) + 12;
  const rights = load<u32>(at), now = rights & ~0x60 | cpu.cpl << 5;
  // Without need it would hold up the loads of 16 bytes that follow.
  if (rights != now) store<u32>(at, now);
  segmentsStayed = isClean(Clean.SEGMENTS) && !differ(SEG, GUEST_SEG);
  if (segmentsStayed) return;
  for (let s: u32 = 0; s < 8; s++) {
    setEntered<u32>(Field.GUEST_ES_SELECTOR + (s << 3), selector(s));
    setEntered<u64>(Field.GUEST_ES_BASE + (s << 3), segBase(s));
    setEntered<u32>(Field.GUEST_ES_LIMIT + (s << 3), segLimit(s));
    setEntered<u32>(Field.GUEST_ES_ACCESS_RIGHTS + (s << 3), segRights(s));
  }
  copySegments(GUEST_SEG, SEG);
  cpu.clean |= Clean.SEGMENTS;
}
function differ(a: usize, b: usize): bool {
  let all = v128.xor(v128.load(a), v128.load(b));
  for (let at: usize = 16; at < SEGMENTS_SIZE; at += 16) all = v128.or(all, v128.xor(v128.load(a + at), v128.load(b + at)));
  return v128.any_true(all);
}
/** Copies all segment registers, from an image or to one. */
export function copySegments(to: usize, from: usize): void {
  for (let at: usize = 0; at < SEGMENTS_SIZE; at += 32) {
    v128.store(to + at, v128.load(from + at));
    v128.store(to + at + 16, v128.load(from + at + 16));
  }
}
const SEGMENTS_SIZE: usize = 8 * 32;
