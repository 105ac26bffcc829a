/**
 * LZMA2 (the .xz file format, 5.3.1 "LZMA2"; LZMA itself as in the LZMA specification by I. Pavlov). Output goes straight to
 * where it will stay, which is also the dictionary.
 */
import { ImageError } from '../image-error.ts';

/** Places of the probability models, one array for all. */
const IS_MATCH = 0;
const IS_REP = 192;
const IS_REP_G0 = 204;
const IS_REP_G1 = 216;
const IS_REP_G2 = 228;
const IS_REP0_LONG = 240;
const SLOT = 432;
const SPECIAL = 688;
const ALIGN = 816;
const MATCH_LENGTH = 832;
const REP_LENGTH = 1346;
const LITERAL = 1860;
const LITERAL_MODELS = 0x300;
const MOST_CONTEXT_BITS = 4;
const MODELS = LITERAL + (LITERAL_MODELS << MOST_CONTEXT_BITS);

/** Parts of a length coder. */
const Length = { CHOICE: 0, CHOICE_2: 1, LOW: 2, MIDDLE: 130, HIGH: 258 } as const;

const EVEN = 1024;
const TOP = 0x100_0000;
const Control = { END: 0, COPY_RESET: 1, COPY: 2, LZMA: 0x80 } as const;
const Reset = { STATE: 1, PROPERTIES: 2, DICTIONARY: 3 } as const;

export class Lzma2Decoder {
  readonly #in: Uint8Array;
  readonly #out: Uint8Array;
  readonly #models = new Uint16Array(MODELS);
  /** Range and code: in an array, where a number of 32 bits stays one. */
  readonly #coder = new Uint32Array(2);
  readonly #reps = [0, 0, 0, 0];
  #at: number;
  #to: number;
  #start: number;
  #state = 0;
  #literalContext = 0;
  #literalMask = 0;
  #positionMask = 0;
  #needs: number = Reset.DICTIONARY;

  /** Decodes what begins at `at` of `input` into `output` from `to` on. */
  constructor(input: Uint8Array, at: number, output: Uint8Array, to: number) {
    this.#in = input;
    this.#at = at;
    this.#out = output;
    this.#to = to;
    this.#start = to;
  }

  /** Where the input goes on after the end mark. */
  get at(): number {
    return this.#at;
  }

  /** Where the output ended. */
  get to(): number {
    return this.#to;
  }

  /**
   * Decodes a chunk, of 2 MiB at most; false at the end mark. Throws ImageError if the data are damaged or more than
   * there is room for.
   */
  next(): boolean {
    const control = this.#byte();
    if (control === Control.END) return false;
    if (control < Control.LZMA) this.#copy(control);
    else this.#chunk(control);
    return true;
  }

  #copy(control: number): void {
    if (control > Control.COPY) throw new ImageError(`LZMA2: control byte ${control} is not defined`);
    if (control === Control.COPY_RESET) this.#resetDictionary();
    else this.#expect(Reset.PROPERTIES);
    const length = this.#byte() * 256 + this.#byte() + 1;
    this.#room(length);
    if (this.#at + length > this.#in.length) throw cutShort();
    this.#out.set(this.#in.subarray(this.#at, this.#at + length), this.#to);
    this.#at += length;
    this.#to += length;
  }

  #chunk(control: number): void {
    const length = (control & 0x1f) * 0x1_0000 + this.#byte() * 256 + this.#byte() + 1;
    const packed = this.#byte() * 256 + this.#byte() + 1;
    const reset = (control >> 5) & 3;
    this.#expect(reset);
    if (reset === Reset.DICTIONARY) this.#resetDictionary();
    if (reset >= Reset.PROPERTIES) this.#setProperties(this.#byte());
    if (reset >= Reset.STATE) {
      this.#models.fill(EVEN);
      this.#state = 0;
      this.#reps.fill(0);
    }
    this.#needs = 0;
    this.#room(length);
    const end = this.#at + packed;
    if (packed < 5 || end > this.#in.length) throw cutShort();
    this.#at++;
    this.#coder[0] = 0xffff_ffff;
    for (let i = 0; i < 4; i++) this.#coder[1] = (this.#coder[1] << 8) | this.#byte();
    this.#symbols(this.#to + length);
    this.#normalize();
    if (this.#at !== end) throw new ImageError('LZMA2: a chunk does not end where it says');
  }

  /** A chunk may not rely on what no chunk before it set. */
  #expect(reset: number): void {
    if (reset < this.#needs) throw new ImageError('LZMA2: the first chunk does not set up the decoder');
  }

  #resetDictionary(): void {
    this.#start = this.#to;
    this.#needs = Reset.PROPERTIES;
  }

  #setProperties(value: number): void {
    const literalContext = value % 9;
    const literalPosition = Math.floor(value / 9) % 5;
    const position = Math.floor(value / 45);
    if (position > 4 || literalContext + literalPosition > MOST_CONTEXT_BITS) {
      throw new ImageError(`LZMA2: properties ${value} are not possible`);
    }
    this.#literalContext = literalContext;
    this.#literalMask = (1 << literalPosition) - 1;
    this.#positionMask = (1 << position) - 1;
  }

  #symbols(end: number): void {
    const reps = this.#reps;
    while (this.#to < end) {
      const position = (this.#to - this.#start) & this.#positionMask;
      const state = this.#state;
      if (this.#bit(IS_MATCH + (state << 4) + position) === 0) {
        this.#literal();
        continue;
      }
      let length: number;
      if (this.#bit(IS_REP + state) === 0) {
        reps[3] = reps[2];
        reps[2] = reps[1];
        reps[1] = reps[0];
        length = this.#length(MATCH_LENGTH, position);
        reps[0] = this.#distance(length);
        this.#state = state < 7 ? 7 : 10;
      } else if (this.#bit(IS_REP_G0 + state) !== 0) {
        this.#recall(state);
        length = this.#repeat(position);
      } else if (this.#bit(IS_REP0_LONG + (state << 4) + position) !== 0) {
        length = this.#repeat(position);
      } else {
        this.#state = state < 7 ? 9 : 11;
        length = 1;
      }
      this.#match(length, end);
    }
  }

  /** Makes the distance before the last, or an older one, the last. */
  #recall(state: number): void {
    const reps = this.#reps;
    let distance = reps[1];
    if (this.#bit(IS_REP_G1 + state) !== 0) {
      distance = reps[2];
      if (this.#bit(IS_REP_G2 + state) !== 0) {
        distance = reps[3];
        reps[3] = reps[2];
      }
      reps[2] = reps[1];
    }
    reps[1] = reps[0];
    reps[0] = distance;
  }

  #repeat(position: number): number {
    this.#state = this.#state < 7 ? 8 : 11;
    return this.#length(REP_LENGTH, position);
  }

  #literal(): void {
    const distance = this.#reps[0];
    const out = this.#out;
    const to = this.#to;
    const before = to > this.#start ? out[to - 1] : 0;
    const low = ((to - this.#start) & this.#literalMask) << this.#literalContext;
    const base = LITERAL + LITERAL_MODELS * (low + (before >> (8 - this.#literalContext)));
    let symbol = 1;
    if (this.#state >= 7) {
      let like = out[to - distance - 1] << 1;
      let offset = 0x100;
      while (symbol < 0x100) {
        const expected = like & offset;
        like <<= 1;
        const bit = this.#bit(base + offset + expected + symbol);
        symbol = (symbol << 1) | bit;
        offset &= bit ? expected : ~expected;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol);
    out[to] = symbol;
    this.#to = to + 1;
    const state = this.#state;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }

  #length(base: number, position: number): number {
    if (this.#bit(base + Length.CHOICE) === 0) return 2 + this.#tree(base + Length.LOW + (position << 3), 3);
    if (this.#bit(base + Length.CHOICE_2) === 0) return 10 + this.#tree(base + Length.MIDDLE + (position << 3), 3);
    return 18 + this.#tree(base + Length.HIGH, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(SLOT + (Math.min(length - 2, 3) << 6), 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) << bits;
    if (slot < 14) return high + this.#reverse(SPECIAL + high - slot - 1, bits);
    return ((high >>> 0) + this.#direct(bits - 4) * 16 + this.#reverse(ALIGN, 4)) >>> 0;
  }

  #match(length: number, end: number): void {
    const out = this.#out;
    let to = this.#to;
    let from = to - this.#reps[0] - 1;
    if (from < this.#start || to + length > end) throw new ImageError('LZMA2: a match leaves the data');
    for (const stop = to + length; to < stop; ) out[to++] = out[from++];
    this.#to = to;
  }

  #bit(model: number): number {
    const coder = this.#coder;
    this.#normalize();
    const probability = this.#models[model];
    const bound = Math.imul(coder[0] >>> 11, probability) >>> 0;
    if (coder[1] < bound) {
      coder[0] = bound;
      this.#models[model] = probability + ((2048 - probability) >> 5);
      return 0;
    }
    coder[0] -= bound;
    coder[1] -= bound;
    this.#models[model] = probability - (probability >> 5);
    return 1;
  }

  #normalize(): void {
    const coder = this.#coder;
    if (coder[0] < TOP) {
      coder[0] <<= 8;
      coder[1] = (coder[1] << 8) | this.#in[this.#at++];
    }
  }

  #tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol - (1 << bits);
  }

  #reverse(base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  #direct(bits: number): number {
    const coder = this.#coder;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      this.#normalize();
      coder[0] >>>= 1;
      value *= 2;
      if (coder[1] >= coder[0]) {
        coder[1] -= coder[0];
        value++;
      }
    }
    return value;
  }

  #byte(): number {
    if (this.#at >= this.#in.length) throw cutShort();
    return this.#in[this.#at++];
  }

  #room(length: number): void {
    if (this.#to + length > this.#out.length) {
      throw new ImageError(`LZMA2: the data go on after the ${this.#out.length} bytes that they are said to be`);
    }
  }
}

function cutShort(): ImageError {
  return new ImageError('LZMA2: the data are cut short');
}
