/**
 * What other processors and devices send to a vCPU's local APIC. A mailbox lies in memory that all vCPUs share: 256 bits
 * of edge-triggered vectors, 4 bytes of signals, the SIPI vector. The receiver empties it between blocks.
 */
import { cpu, Cpu } from '../cpu/state';
import { FIRST_WINDOW, MAILBOXES, STATE_OFFSET_CPU, WINDOW_SIZE } from '../cpu/window';
import { attend, Attention } from '../cpu/pending';

export const enum Signal { INIT = 1, SIPI = 2, NMI = 4, EXT_INT = 8 }

const SIZE: usize = 64;
const SIGNALS: usize = 32;
const SIPI_VECTOR: usize = 36;
/** 1 where the vCPU exists. */
const PRESENT: usize = 40;
const APIC_ID: usize = 44;
const LOGICAL: usize = 48;

@inline export function mailbox(id: u32): usize { return MAILBOXES + <usize>id * SIZE; }

/** Makes this vCPU known to the others under its APIC ID and logical destination (DFR in bits 35:32 of `logical`). */
export function publish(apicId: u32, logical: u32): void {
  const m = mailbox(cpu.id);
  store<u32>(m, 1, PRESENT);
  store<u32>(m, apicId, APIC_ID);
  store<u32>(m, logical, LOGICAL);
}
@inline export function isPresent(id: u32): bool { return load<u32>(mailbox(id), PRESENT) != 0; }
@inline export function apicIdOf(id: u32): u32 { return load<u32>(mailbox(id), APIC_ID); }
@inline export function logicalOf(id: u32): u32 { return load<u32>(mailbox(id), LOGICAL); }

/** Tells vCPU `id` that its mailbox holds something. */
function notify(id: u32): void {
  if (id == cpu.id) attend(Attention.INTERRUPT);
  else {
    const field = FIRST_WINDOW + <usize>id * WINDOW_SIZE + STATE_OFFSET_CPU + offsetof<Cpu>('attention');
    store<u32>(field, load<u32>(field) | Attention.INTERRUPT);
  }
}
export function postVector(id: u32, vector: u32): void {
  const at = mailbox(id) + (vector >> 3);
  store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(vector & 7)));
  notify(id);
}
export function postSignal(id: u32, signal: u32, vector: u32): void {
  const m = mailbox(id);
  store<u32>(m, load<u32>(m, SIGNALS) | signal, SIGNALS);
  if (signal == Signal.SIPI) store<u32>(m, vector, SIPI_VECTOR);
  notify(id);
}

/** Takes the signals of this vCPU's mailbox. */
export function takeSignals(): u32 {
  const m = mailbox(cpu.id);
  const signals = load<u32>(m, SIGNALS);
  store<u32>(m, 0, SIGNALS);
  return signals;
}
@inline export function sipiVector(): u32 { return load<u32>(mailbox(cpu.id), SIPI_VECTOR); }
/** Takes 32 vectors beginning at 32 * `word`. */
export function takeVectors(word: u32): u32 {
  const at = mailbox(cpu.id) + (word << 2);
  const bits = load<u32>(at);
  if (bits != 0) store<u32>(at, 0);
  return bits;
}
