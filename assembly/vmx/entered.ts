/**
 * The fields of the current VMCS as the VM entry took them over: our own copy, at the offsets of the region. What was
 * checked and is used later (bounds, addresses, the host state) is read here and nowhere else, for the region is memory
 * that programs, other processors and devices can write to at any time (docs/decisions/0021).
 *
 * The copy also tells what need not be checked again: fields whose bytes are those that passed. Which fields are compared,
 * taken anew at each entry, or neither, is in src/isa/vmx/fields.ts.
 */
import { cpu, ENTERED } from '../cpu/state';
import { Flag } from '../cpu/flags';
import { differsInControls, differsInGuest, differsInHost, giveGuest, takeAlways, takeControls, takeGuest, takeHost } from './entered.gen';
import { Field } from './vmcs';

/** Groups of fields in the copy that passed the checks of a VM entry. */
export const enum Clean { CONTROLS = 1, HOST = 2, GUEST = 4, ALL = 7 }

@inline export function entered<T>(f: u32): T { return load<T>(ENTERED + f); }
/** Writes a field that needs no check: to the copy; saveFields writes the guest state to the region. */
@inline export function setEntered<T>(f: u32, value: T): void { store<u64>(ENTERED + f, <u64>value); }
/**
 * Writes the guest state that a VM exit put into the copy to the region. Callers have something to do between the two, for
 * loads of 16 bytes wait for stores of 8.
 */
export function saveFields(): void { giveGuest(cpu.vmcs); }

@inline export function isClean(fields: u32): bool { return (cpu.clean & fields) != 0; }
@inline export function setClean(): void { cpu.clean = Clean.ALL; }

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
    cpu.clean &= ~(<u32>Clean.GUEST);
  }
}
