/**
 * The window of a VGA at 0xa0000 to 0xbffff onto its memory: four planes behind each address, or chained, or odd and even
 * as text mode has them; or 64 KiB of a linear framebuffer. A plane's byte n lies at 4 n + plane of video memory.
 */
import type { Width } from '../core/types.ts';
import type { Face } from './device.ts';
import { Dispi, Gfx, Seq, type VgaState } from './vga-state.ts';

export const VGA_WINDOW_BYTES = 0x2_0000;
const KIB_64 = 0x1_0000;
const CHAIN_4 = 8;
const ODD_EVEN = 0x10;
const READ_COMPARE = 8;
/** Start and length of what the window shows, by bits 3:2 of the miscellaneous register. */
const WINDOWS = [
  [0, VGA_WINDOW_BYTES],
  [0, KIB_64],
  [KIB_64, 0x8000],
  [0x1_8000, 0x8000],
] as const;

export class VgaMemory implements Face {
  readonly stateOf = null;
  readonly maxWidth = 1;
  readonly #state: VgaState;
  readonly #bytes: () => Uint8Array;
  /** The bytes of the last read: they are the card's to save. */
  readonly latch = new Uint8Array(4);

  constructor(state: VgaState, bytes: () => Uint8Array) {
    this.#state = state;
    this.#bytes = bytes;
  }

  read(offset: number, _width: Width): number {
    const at = this.#address(offset);
    const { gfx } = this.#state;
    if (at < 0) return 0xff;
    const bytes = this.#bytes();
    if (this.#state.isDispi) return bytes[this.#banked(at)] ?? 0xff;
    if (this.#isChained()) return bytes[at];
    if (gfx[Gfx.MODE] & ODD_EVEN) return bytes[((at & ~1) << 1) | (gfx[Gfx.READ_MAP] & 2) | (at & 1)];
    this.latch.set(bytes.subarray(4 * at, 4 * at + 4));
    if ((gfx[Gfx.MODE] & READ_COMPARE) === 0) return this.latch[gfx[Gfx.READ_MAP] & 3];
    let different = 0;
    for (let plane = 0; plane < 4; plane++) {
      if (gfx[Gfx.DONT_CARE] & (1 << plane)) different |= this.latch[plane] ^ spread(gfx[Gfx.COMPARE], plane);
    }
    return ~different & 0xff;
  }

  write(offset: number, _width: Width, value: number): void {
    const at = this.#address(offset);
    if (at < 0) return;
    const bytes = this.#bytes();
    const { gfx, seq } = this.#state;
    const mask = seq[Seq.MAP_MASK];
    if (this.#state.isDispi) {
      const to = this.#banked(at);
      if (to < bytes.length) bytes[to] = value;
    } else if (this.#isChained()) {
      if (mask & (1 << (at & 3))) bytes[at] = value;
    } else if (gfx[Gfx.MODE] & ODD_EVEN) {
      for (const plane of [at & 1, (at & 1) | 2]) {
        if (mask & (1 << plane)) bytes[((at & ~1) << 1) | plane] = value;
      }
    } else {
      for (let plane = 0; plane < 4; plane++) {
        if (mask & (1 << plane)) bytes[4 * at + plane] = this.#combined(plane, value);
      }
    }
  }

  #isChained(): boolean {
    return (this.#state.seq[Seq.MEMORY_MODE] & CHAIN_4) !== 0;
  }

  #address(offset: number): number {
    const [start, length] = WINDOWS[(this.#state.gfx[Gfx.MISC] >> 2) & 3];
    const at = offset - start;
    return at >= 0 && at < length ? at % KIB_64 : -1;
  }

  #banked(at: number): number {
    return this.#state.dispi[Dispi.BANK] * KIB_64 + at;
  }

  /** What a write of `value` puts into a plane: "Graphics Mode Register", write modes 0 to 3. */
  #combined(plane: number, value: number): number {
    const { gfx } = this.#state;
    const mode = gfx[Gfx.MODE] & 3;
    const latch = this.latch[plane];
    if (mode === 1) return latch;
    const turn = gfx[Gfx.ROTATE] & 7;
    const rotated = ((value >> turn) | (value << (8 - turn))) & 0xff;
    const fixed = spread(gfx[Gfx.SET_RESET], plane);
    let bits = gfx[Gfx.BIT_MASK];
    let data = gfx[Gfx.ENABLE_SET_RESET] & (1 << plane) ? fixed : rotated;
    if (mode === 2) data = spread(value, plane);
    if (mode === 3) {
      bits &= rotated;
      data = fixed;
    }
    const operation = (gfx[Gfx.ROTATE] >> 3) & 3;
    if (operation === 1) data &= latch;
    else if (operation === 2) data |= latch;
    else if (operation === 3) data ^= latch;
    return (data & bits) | (latch & ~bits);
  }
}

/** All ones if bit `plane` of `value` is set. */
const spread = (value: number, plane: number): number => (value & (1 << plane) ? 0xff : 0);
