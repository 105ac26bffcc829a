/**
 * A decoder over the opcode table: bytes to row, operands and prefixes, for traces, tests and tools. It knows encodings and
 * nothing of what instructions do. The processor has its own decoder, generated from the same table.
 */
import { Cursor, type SegmentOverride, TOO_LONG, TRUNCATED, type Undecodable } from './cursor.ts';
import { type Choice, type Entry, entriesFor, type Mode, select } from './lookup.ts';
import { type Operand, operandReader } from './operands.ts';
import type { Feature, OpcodeMap, Row } from './table.ts';

export interface Decoded {
  length: number;
  row: Row;
  mode: Mode;
  operands: Operand[];
  operandSize: 16 | 32 | 64;
  addressSize: 16 | 32 | 64;
  lock: boolean;
  /** The last of F3 and F2, 0 where neither was there or it selected the row. */
  repeat: 0 | 0xf2 | 0xf3;
  segment?: SegmentOverride;
}

export interface DecodeOptions {
  mode: Mode;
  /** Address of the first byte, for relative branches and RIP-relative operands; 0 by default. */
  ip?: bigint;
  /** Features of the processor, where rows fall back to others without them; all by default. */
  offers?: (feature: Feature) => boolean;
}

const UNDEFINED: Undecodable = { invalid: 'undefined opcode' };

const SEGMENT_PREFIXES: Record<number, SegmentOverride> = {
  38: 'es',
  46: 'cs',
  54: 'ss',
  62: 'ds',
  100: 'fs',
  101: 'gs',
};

/** Decodes the instruction at the start of `bytes`. */
export function decode(bytes: Uint8Array, options: DecodeOptions): Decoded | Undecodable {
  try {
    return decodeAt(new Cursor(bytes, options.mode, options.ip ?? 0n), options.offers);
  } catch (failure) {
    if (failure === TOO_LONG || failure === TRUNCATED || failure === UNDEFINED) return failure as Undecodable;
    throw failure;
  }
}

function decodeAt(at: Cursor, offers?: (feature: Feature) => boolean): Decoded {
  readPrefixes(at);
  const map = readOpcode(at);
  const entries = entriesFor(at.vex, map, at.opcode);
  if (entries.length === 0) throw UNDEFINED;
  const modrm = entries[0].modrm;
  if (modrm) at.modrm = at.peek();
  const entry = select(entries, choiceOf(at), offers);
  if (!entry) throw UNDEFINED;
  if (modrm) at.position++;
  if (entry.row.traits?.includes('nomod')) at.modrm |= 0xc0;
  setSizes(at, entry.row);
  const operands = operandReader(entry)(at);
  if (!operands || !lockIsLegal(at, entry, operands)) throw UNDEFINED;
  const selected = entry.code.prefix === 'F3' || entry.code.prefix === 'F2';
  return {
    length: at.position,
    row: entry.row,
    mode: at.mode,
    operands,
    operandSize: at.operandSize,
    addressSize: at.addressSize,
    lock: at.lock,
    repeat: selected ? 0 : at.repeat,
    segment: at.segment,
  };
}

function readPrefixes(at: Cursor): void {
  for (;;) {
    const byte = at.peek();
    if (at.mode === 64 && (byte & 0xf0) === 0x40) at.rex = byte;
    else if (byte === 0x66) at.operand66 = true;
    else if (byte === 0x67) at.address67 = true;
    else if (byte === 0xf0) at.lock = true;
    else if (byte === 0xf2 || byte === 0xf3) at.repeat = byte;
    else if (byte in SEGMENT_PREFIXES) {
      const segment = SEGMENT_PREFIXES[byte];
      if (at.mode !== 64 || byte >= 100) at.segment = segment;
    } else return;
    if (at.rex !== byte) at.rex = 0;
    at.position++;
  }
}

/** Reads the opcode with what precedes it, VEX included, and returns its map. */
function readOpcode(at: Cursor): OpcodeMap {
  at.opcode = at.u8();
  if ((at.opcode === 0xc4 || at.opcode === 0xc5) && (at.mode === 64 || at.peek() >= 0xc0)) return readVex(at);
  if (at.opcode !== 0x0f) return '';
  at.opcode = at.u8();
  if (at.opcode !== 0x38 && at.opcode !== 0x3a) return '0F';
  const map = at.opcode === 0x38 ? '0F38' : '0F3A';
  at.opcode = at.u8();
  return map;
}

const VEX_MAPS: readonly (OpcodeMap | undefined)[] = [undefined, '0F', '0F38', '0F3A'];

/** The VEX prefix (SDM Vol. 2A, "The VEX Prefix"): its bits move to where REX and the legacy prefixes would be. */
function readVex(at: Cursor): OpcodeMap {
  if (at.rex || at.operand66 || at.repeat || at.lock) throw UNDEFINED;
  at.vex = true;
  const first = at.u8();
  let last = first;
  let map: OpcodeMap | undefined = '0F';
  let rex = ~first & 0x80 ? 4 : 0;
  if (at.opcode === 0xc4) {
    map = VEX_MAPS[first & 0x1f];
    last = at.u8();
    rex = ((~first >> 5) & 7) | ((last & 0x80) >> 4);
  }
  at.rex = at.mode === 64 ? 0x40 | rex : rex & 8;
  at.vvvv = (~last >> 3) & 15;
  at.l = (last >> 2) & 1;
  at.operand66 = (last & 3) === 1;
  at.repeat = (last & 3) === 2 ? 0xf3 : (last & 3) === 3 ? 0xf2 : 0;
  if (map === undefined) throw UNDEFINED;
  at.opcode = at.u8();
  return map;
}

function choiceOf(at: Cursor): Choice {
  const prefix = at.repeat === 0xf3 ? 'F3' : at.repeat === 0xf2 ? 'F2' : at.operand66 ? '66' : 'NP';
  return { mode: at.mode, prefix, modrm: at.modrm, w: at.w, b: at.b >> 3, l: at.l };
}

/** Operand and address size (SDM Vol. 1, "Operand-Size and Address-Size Attributes"). */
function setSizes(at: Cursor, row: Row): void {
  if (at.mode === 64) {
    const short = at.operand66 && !at.vex;
    at.addressSize = at.address67 ? 32 : 64;
    if (at.w || row.traits?.includes('f64')) at.operandSize = 64;
    else if (row.traits?.includes('d64')) at.operandSize = short ? 16 : 64;
    else at.operandSize = short ? 16 : 32;
  } else {
    at.operandSize = (at.mode === 32) === at.operand66 && !at.vex ? 16 : 32;
    at.addressSize = (at.mode === 32) === at.address67 ? 16 : 32;
  }
}

function lockIsLegal(at: Cursor, entry: Entry, operands: Operand[]): boolean {
  if (!at.lock) return true;
  return (entry.row.traits?.includes('lock') ?? false) && operands.some((operand) => operand.kind === 'memory');
}
