/**
 * The registers of a VGA (IBM "Personal System/2 Hardware Interface Technical Reference", "Video Subsystem") and of the
 * Bochs display interface beside it (QEMU documentation, "Standard VGA"), by index. They begin in text mode 3.
 */
import { copyOf, type Saved } from '../saved.ts';

export const Seq = { CLOCKING: 1, MAP_MASK: 2, CHARACTER_MAP: 3, MEMORY_MODE: 4 } as const;
export const Gfx = {
  SET_RESET: 0,
  ENABLE_SET_RESET: 1,
  COMPARE: 2,
  ROTATE: 3,
  READ_MAP: 4,
  MODE: 5,
  MISC: 6,
  DONT_CARE: 7,
  BIT_MASK: 8,
} as const;
export const Crtc = {
  DISPLAY_END: 1,
  OVERFLOW: 7,
  MAX_SCAN_LINE: 9,
  CURSOR_START: 0x0a,
  CURSOR_END: 0x0b,
  START_HIGH: 0x0c,
  CURSOR_HIGH: 0x0e,
  VERTICAL_RETRACE_END: 0x11,
  VERTICAL_DISPLAY_END: 0x12,
  OFFSET: 0x13,
} as const;
export const Attr = { MODE: 0x10, COLOR_SELECT: 0x14 } as const;
export const Dispi = {
  ID: 0,
  WIDTH: 1,
  HEIGHT: 2,
  DEPTH: 3,
  ENABLE: 4,
  BANK: 5,
  VIRTUAL_WIDTH: 6,
  VIRTUAL_HEIGHT: 7,
  X: 8,
  Y: 9,
  MEMORY_64K: 10,
} as const;
export const DispiEnable = { ON: 1, CAPABILITIES: 2, KEEP: 0x80 } as const;
export const DISPI_REGISTERS = 11;
export const DISPI_ID = 0xb0c5;

const hex = (text: string, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, n) => Number.parseInt(text.slice(2 * n, 2 * n + 2) || '0', 16));

export type VgaRegisters = {
  misc: number;
  seq: Uint8Array;
  gfx: Uint8Array;
  crtc: Uint8Array;
  attr: Uint8Array;
  dac: Uint8Array;
  dacMask: number;
  isBlank: boolean;
  dispi: number[];
};

export class VgaState implements Saved<VgaRegisters> {
  /** 0x67: colour addresses, memory on, 400 lines. */
  misc = 0x67;
  seq = hex('0300030002', 8);
  gfx = hex('0000000000100e00ff', 16);
  crtc = hex('5f4f50825581bf1f004f0d0e000000009c8e8f281f96b9a3ff', 32);
  attr = hex('000102030405140738393a3b3c3d3e3f0c000f0800', 32);
  /** Three bytes of six bits a colour. */
  dac = Uint8Array.from({ length: 768 }, (_, n) => defaultColor(Math.floor(n / 3), n % 3));
  dacMask = 0xff;
  /** The screen is blank while the guest changes the palette. */
  isBlank = false;
  dispi = Uint16Array.of(DISPI_ID, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

  save(): VgaRegisters {
    const { misc, seq, gfx, crtc, attr, dac, dacMask, isBlank, dispi } = this;
    return copyOf({ misc, seq, gfx, crtc, attr, dac, dacMask, isBlank, dispi: [...dispi] });
  }

  load({ dispi, ...registers }: VgaRegisters): void {
    Object.assign(this, copyOf(registers));
    this.dispi.set(dispi);
  }

  get isDispi(): boolean {
    return (this.dispi[Dispi.ENABLE] & DispiEnable.ON) !== 0;
  }

  get isText(): boolean {
    return !this.isDispi && (this.gfx[Gfx.MISC] & 1) === 0;
  }
}

/** The first 64 colours of the default palette: two thirds by bits 2 to 0 (red, green, blue), one third by bits 5 to 3. */
function defaultColor(color: number, channel: number): number {
  if (color > 63) return 0;
  const bit = 2 - channel;
  return 42 * ((color >> bit) & 1) + 21 * ((color >> (bit + 3)) & 1);
}
