/**
 * What a vCPU is told by other processors and by devices. A mailbox lies in memory that all vCPUs share; the receiver
 * empties it between calls of the interpreter when its bell has rung:
 *
 *   0 256 bits of vectors | 32 signals | 36 SIPI vector | 40 present | 44 APIC ID | 48 logical destination | 52 bell
 *   128 256 bits: which of the vectors are level-triggered | 56 lock of the frame messages
 *   60 frame messages, then from 64 on 16 of them: host address of the frame, bit 0 set when its bytes changed
 */
import { cpu } from '../cpu/state';
import { MAILBOXES } from '../cpu/window';
import { attend, Attention } from '../cpu/pending';
import { clearShared, lock, orShared, takeShared, unlock } from '../cpu/shared';

export const enum Signal { INIT = 1, SIPI = 2, NMI = 4, EXT_INT = 8 }

const SIZE: usize = 192;
const LEVELS: usize = 128;
const SIGNALS: usize = 32;
const SIPI_VECTOR: usize = 36;
/** 1 where the vCPU exists. */
const PRESENT: usize = 40;
const APIC_ID: usize = 44;
const LOGICAL: usize = 48;
const BELL: usize = 52;
const FRAME_LOCK: usize = 56;
const FRAME_COUNT: usize = 60;
const FRAMES: usize = 64;
export const MAX_FRAMES: u32 = 16;
export const MAX_VCPUS: u32 = 8;

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
  else orShared<u32>(mailbox(id) + BELL, 1);
}
/** Looks at the bell: what rang it wants attention. */
@inline export function answerBell(): void {
  if (takeShared(mailbox(cpu.id) + BELL) != 0) cpu.attention |= Attention.INTERRUPT;
}
export function postVector(id: u32, vector: u32, level: bool = false): void {
  const at = mailbox(id) + (vector >> 5 << 2);
  const bit: u32 = 1 << (vector & 31);
  if (level) orShared<u32>(at + LEVELS, bit);
  else clearShared<u32>(at + LEVELS, bit);
  orShared<u32>(at, bit);
  notify(id);
}
export function postSignal(id: u32, signal: u32, vector: u32): void {
  const m = mailbox(id);
  if (signal == Signal.SIPI) store<u32>(m, vector, SIPI_VECTOR);
  orShared<u32>(m + SIGNALS, signal);
  notify(id);
}

/** Takes the signals of this vCPU's mailbox. */
export function takeSignals(): u32 { return takeShared(mailbox(cpu.id) + SIGNALS); }
@inline export function sipiVector(): u32 { return load<u32>(mailbox(cpu.id), SIPI_VECTOR); }
/** Which of 32 vectors beginning at 32 * `word` are level-triggered. */
@inline export function levelVectors(word: u32): u32 { return load<u32>(mailbox(cpu.id) + LEVELS + (word << 2)); }
/** Takes 32 vectors beginning at 32 * `word`. */
export function takeVectors(word: u32): u32 { return takeShared(mailbox(cpu.id) + (word << 2)); }

/**
 * Tells every other vCPU about the frame at `host`: it holds decoded code from now on (drop permission to write it), or
 * its bytes changed where code was decoded. More messages than the box holds become one: drop all code.
 */
export function postFrame(host: u32, changed: bool): void {
  for (let id: u32 = 0; id < MAX_VCPUS; id++) {
    if (id == cpu.id || !isPresent(id)) continue;
    const m = mailbox(id);
    lock(m + FRAME_LOCK);
    const count = load<u32>(m, FRAME_COUNT);
    if (count < MAX_FRAMES) store<u32>(m + FRAMES + (count << 2), (host & ~0xfff) | (changed ? 1 : 0));
    if (count <= MAX_FRAMES) store<u32>(m, count + 1, FRAME_COUNT);
    unlock(m + FRAME_LOCK);
    notify(id);
  }
}
/**
 * Begins to read the frame messages: their number, or more than MAX_FRAMES where some were lost. Until endFrames nobody
 * can post another.
 */
export function beginFrames(): u32 {
  const m = mailbox(cpu.id);
  if (load<u32>(m, FRAME_COUNT) == 0) return 0;
  lock(m + FRAME_LOCK);
  return load<u32>(m, FRAME_COUNT);
}
export function endFrames(): void {
  const m = mailbox(cpu.id);
  store<u32>(m, 0, FRAME_COUNT);
  unlock(m + FRAME_LOCK);
}
@inline export function frameMessage(n: u32): u32 { return load<u32>(mailbox(cpu.id) + FRAMES + (n << 2)); }
