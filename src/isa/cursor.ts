/** The state of one decoding: where it is, its prefixes and ModRM. */
import type { Mode } from './lookup.ts';

export type SegmentOverride = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';

/** `undefined opcode` is #UD, `too long` is #GP(0), `truncated` asks for more bytes. */
export interface Undecodable {
  invalid: 'undefined opcode' | 'too long' | 'truncated';
}

export const TOO_LONG: Undecodable = { invalid: 'too long' };
export const TRUNCATED: Undecodable = { invalid: 'truncated' };

/** Longest instruction in bytes (SDM Vol. 2A, "Instruction Format"). */
export const MAX_LENGTH = 15;

/** The state of one decoding: a cursor, prefixes, ModRM. Out of bytes it throws `Undecodable`. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly mode: Mode;
  readonly ip: bigint;
  position = 0;
  lock = false;
  operand66 = false;
  address67 = false;
  repeat: 0 | 0xf2 | 0xf3 = 0;
  segment: SegmentOverride | undefined;
  rex = 0;
  vex = false;
  vvvv = 0;
  l = 0;
  modrm = -1;
  opcode = 0;
  operandSize: 16 | 32 | 64 = 32;
  addressSize: 16 | 32 | 64 = 32;

  constructor(bytes: Uint8Array, mode: Mode, ip: bigint) {
    this.bytes = bytes;
    this.mode = mode;
    this.ip = ip;
  }

  peek(): number {
    if (this.position >= MAX_LENGTH) throw TOO_LONG;
    if (this.position >= this.bytes.length) throw TRUNCATED;
    return this.bytes[this.position];
  }

  u8(): number {
    const value = this.peek();
    this.position++;
    return value;
  }

  /** Reads `size` bytes, little-endian, signed. */
  signed(size: 1 | 2 | 4): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.u8() << (8 * i);
    return size === 4 ? value : (value << (32 - 8 * size)) >> (32 - 8 * size);
  }

  /** Reads `size` bytes, little-endian, unsigned. */
  unsigned(size: 1 | 2 | 4 | 8): bigint {
    let value = 0n;
    for (let i = 0; i < size; i++) value |= BigInt(this.u8()) << BigInt(8 * i);
    return value;
  }

  get w(): number {
    return (this.rex >> 3) & 1;
  }
  get r(): number {
    return (this.rex & 4) << 1;
  }
  get x(): number {
    return (this.rex & 2) << 2;
  }
  get b(): number {
    return (this.rex & 1) << 3;
  }
}
