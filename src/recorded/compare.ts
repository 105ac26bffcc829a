/**
 * What a case demands against what the processor did. The result is a list of sentences, empty when all is well.
 */

import { GPRS } from '../core/types.ts';
import { extendedSameClass, extendedToNumber, extendedWithinUlps, singlesWithinReciprocalError } from './approx.ts';
import { Approx, type Fault, type Mode, type VectorCase } from './reader.ts';
import type { FpuState, VectorState } from './state.ts';

/** What became of a case. `rip` is relative to the first byte of its code. */
export interface Outcome {
  fault?: Fault;
  rip: number;
  state: VectorState;
  /** Whether the floating-point and vector registers in `state` were read at all. */
  hasFpu: boolean;
}

/** CF, PF, AF, ZF, SF and OF. */
const ARITHMETIC_FLAGS = 0x8d5;
/** DF, NT, AC and ID are compared always. */
const ALWAYS_DEFINED_FLAGS = 0x400 | 0x4000 | 0x40000 | 0x200000;
const TRANSCENDENTAL_ULPS = 1n;
/** Arguments below 2^32 leave a reduction with a 66-bit pi at least this exact. */
const REDUCTION_LIMIT = 2 ** 32;
const REDUCTION_ERROR = 2 ** -20;

const hex = (value: number | bigint) => `0x${value.toString(16)}`;
const hexBytes = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const differs = (name: string, expected: string, got: string) => `${name}: expected ${expected}, got ${got}`;

/** The case with nothing masked and nothing approximate: it demands all that the recording processor did. */
function unmasked(c: VectorCase): VectorCase {
  return { ...c, flagsMask: ARITHMETIC_FLAGS, fswMask: 0xffff, gprIgnore: 0, memIgnore: [], approx: Approx.EXACT };
}

/**
 * Compares as the VEC1 format says: outcome, RIP, general registers, flags, then the rest of the state. `strict` compares
 * what the manuals leave undefined too.
 */
export function compareCase(recorded: VectorCase, got: Outcome, mode: Mode, strict = false): string[] {
  const c = strict ? unmasked(recorded) : recorded;
  const problems: string[] = [];
  compareOutcome(c, got, problems);
  compareGprs(c, got.state, mode, problems);
  const mask = c.flagsMask | ALWAYS_DEFINED_FLAGS;
  if ((c.final.rflags ^ got.state.rflags) & mask) {
    problems.push(`${differs('rflags', hex(c.final.rflags & mask), hex(got.state.rflags & mask))} (mask ${hex(mask)})`);
  }
  if (got.hasFpu) {
    compareVectors(c, got.state, mode, problems);
    compareX87(c, got.state, problems);
  }
  comparePage(c, got.state.page, problems);
  return problems;
}

function compareOutcome(c: VectorCase, got: Outcome, problems: string[]): void {
  const name = (f: Fault | undefined) => (f ? `exception ${f.vector} (error code ${hex(f.errorCode)})` : 'completed');
  if (c.fault?.vector !== got.fault?.vector || c.fault?.errorCode !== got.fault?.errorCode) {
    problems.push(differs('outcome', name(c.fault), name(got.fault)));
  } else if (c.fault?.cr2 !== undefined && c.fault.cr2 !== got.fault?.cr2) {
    problems.push(differs('cr2', hex(c.fault.cr2), hex(got.fault?.cr2 ?? 0)));
  }
  if (c.rip !== got.rip) problems.push(differs('rip', `+${c.rip}`, `+${got.rip}`));
}

function compareGprs(c: VectorCase, got: VectorState, mode: Mode, problems: string[]): void {
  const count = mode === 64 ? 16 : 8;
  const width = mode === 64 ? 64 : 32;
  for (let k = 0; k < count; k++) {
    if ((c.gprIgnore >> k) & 1) continue;
    const expected = c.final.gpr[k];
    const value = BigInt.asUintN(width, got.gpr[k]);
    if (value !== expected) problems.push(differs(GPRS[k], hex(expected), hex(value)));
  }
}

function compareVectors(c: VectorCase, got: FpuState, mode: Mode, problems: string[]): void {
  if (c.final.mxcsr !== got.mxcsr) problems.push(differs('mxcsr', hex(c.final.mxcsr), hex(got.mxcsr)));
  const count = mode === 64 ? 16 : 8;
  for (let k = 0; k < count; k++) {
    const at = 32 * k;
    if (equalBytes(c.final.ymm, got.ymm, at, 32)) continue;
    if (c.approx === Approx.RECIPROCAL && singlesWithinReciprocalError(got.ymm, c.final.ymm, at, 32)) continue;
    const onlyMiddleDiffers = equalBytes(c.final.ymm, got.ymm, at, 8) && equalBytes(c.final.ymm, got.ymm, at + 16, 16);
    if (c.approx === Approx.LOW_QUADWORD && onlyMiddleDiffers) continue;
    const show = (state: FpuState) => hexBytes(state.ymm.subarray(at, at + 32));
    problems.push(differs(`ymm${k} (low byte first)`, show(c.final), show(got)));
  }
}

function compareX87(c: VectorCase, got: FpuState, problems: string[]): void {
  const expected = c.final;
  if (expected.fcw !== got.fcw) problems.push(differs('fcw', hex(expected.fcw), hex(got.fcw)));
  if ((expected.fsw ^ got.fsw) & c.fswMask) {
    problems.push(
      `${differs('fsw', hex(expected.fsw & c.fswMask), hex(got.fsw & c.fswMask))} (mask ${hex(c.fswMask)})`,
    );
  }
  if (expected.ftw !== got.ftw) problems.push(differs('ftw', hex(expected.ftw), hex(got.ftw)));
  for (let k = 0; k < 8; k++) {
    const at = 10 * k;
    if (equalBytes(expected.st, got.st, at, 10) || isCloseEnough(c, got, at)) continue;
    const show = (state: FpuState) => hexBytes(state.st.subarray(at, at + 10));
    problems.push(differs(`st${k} (low byte first)`, show(expected), show(got)));
  }
}

function isCloseEnough(c: VectorCase, got: FpuState, at: number): boolean {
  if (c.approx === Approx.TRANSCENDENTAL) return extendedWithinUlps(got.st, c.final.st, at, TRANSCENDENTAL_ULPS);
  if (c.approx !== Approx.TRIGONOMETRIC || !extendedSameClass(got.st, c.final.st, at)) return false;
  const argument = Math.abs(extendedToNumber(c.initial.st, 0));
  if (!(argument < REDUCTION_LIMIT)) return true;
  const [x, y] = [extendedToNumber(got.st, at), extendedToNumber(c.final.st, at)];
  return Math.abs(x - y) <= REDUCTION_ERROR * Math.max(1, y * y);
}

function comparePage(c: VectorCase, got: Uint8Array, problems: string[]): void {
  const expected = c.final.page;
  if (equalBytes(expected, got, 0, expected.length)) return;
  const isIgnored = (at: number) => c.memIgnore.some(({ offset, length }) => at >= offset && at < offset + length);
  for (let at = 0; at < expected.length; at++) {
    if (expected[at] === got[at] || isIgnored(at)) continue;
    const show = (page: Uint8Array) => hexBytes(page.subarray(at, at + 16));
    problems.push(differs(`memory at page+${hex(at)}`, show(expected), show(got)));
    return;
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array, start: number, length: number): boolean {
  for (let k = start; k < start + length; k++) if (a[k] !== b[k]) return false;
  return true;
}
