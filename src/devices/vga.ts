/**
 * A VGA with its registers at ports 0x3b0 to 0x3df and the Bochs display interface at 0x1ce. There is no firmware behind
 * it that would set modes: it begins in text mode, 80 by 25, as a BIOS leaves it.
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import { type Clock, NS_PER_SECOND } from './clock.ts';
import type { Face, IoDevice } from './device.ts';
import type { Display, Picture, TextScreen } from './display.ts';
import { VgaMemory } from './vga-memory.ts';
import { drawPicture, readText } from './vga-picture.ts';
import { Attr, Crtc, DISPI_ID, DISPI_REGISTERS, Dispi, DispiEnable, type VgaRegisters, VgaState } from './vga-state.ts';

export const VGA_PORTS = { BASE: 0x3b0, COUNT: 0x30 } as const;
export const DISPI_PORTS = { BASE: 0x1ce, COUNT: 3 } as const;

/** Offsets from 0x3b0. */
const Port = {
  ATTRIBUTE: 0x10,
  ATTRIBUTE_READ: 0x11,
  MISC: 0x12,
  SEQUENCER: 0x14,
  DAC_MASK: 0x16,
  DAC_READ: 0x17,
  DAC_WRITE: 0x18,
  DAC_DATA: 0x19,
  FEATURE_READ: 0x1a,
  MISC_READ: 0x1c,
  GRAPHICS: 0x1e,
} as const;
const COLOR_PORTS = 0x20;
const PALETTE_ON = 0x20;
const LOCKED = 0x80;
/** Registers 0 to 7 of the CRTC may be locked but for one bit. */
const LINE_COMPARE_8 = 0x10;
const FRAME_NS = 1e9 / 60;
const LINES = 449;
const VISIBLE_LINES = 400;
const VISIBLE_OF_LINE = 0.8;
const Status1 = { BLANK: 1, RETRACE: 8 } as const;
const MOST_WIDTH = 4096;
const KIB_64 = 0x1_0000;
const TEXT_CELLS = 0x4000;

export interface VgaParts {
  clock: Clock;
  /** The linear framebuffer of the display interface. A view, taken anew for every use. */
  framebuffer: () => Uint8Array;
}

/** What the ports remember of the accesses before. */
export type VgaIndexes = {
  seqIndex: number;
  gfxIndex: number;
  crtcIndex: number;
  attrIndex: number;
  /** The attribute port takes an index next. */
  takesIndex: boolean;
  dacAt: number;
  dacIsRead: boolean;
  dispiIndex: number;
};

export type VgaSaved = { registers: VgaRegisters; indexes: VgaIndexes; planes: Uint8Array; latch: Uint8Array };

export class Vga implements IoDevice, Display, Saved<VgaSaved> {
  readonly maxWidth = 1;
  readonly state = new VgaState();
  /** The window at 0xa0000. */
  readonly window: VgaMemory;
  /** Index and data of the display interface, at 0x1ce. */
  readonly dispiPorts: Face;
  readonly #planes = new Uint8Array(4 * KIB_64);
  readonly #framebuffer: () => Uint8Array;
  readonly #clock: Clock;
  #state: VgaIndexes = {
    seqIndex: 0,
    gfxIndex: 0,
    crtcIndex: 0,
    attrIndex: 0,
    takesIndex: true,
    dacAt: 0,
    dacIsRead: false,
    dispiIndex: 0,
  };

  constructor({ clock, framebuffer }: VgaParts) {
    this.#clock = clock;
    this.#framebuffer = framebuffer;
    this.window = new VgaMemory(this.state, () => this.memory);
    for (let cell = 0; cell < TEXT_CELLS; cell++) this.#planes.set([0x20, 7], 4 * cell);
    this.dispiPorts = {
      maxWidth: 2,
      stateOf: this,
      read: (offset) => (offset === 0 ? this.#state.dispiIndex : this.readDispi(this.#state.dispiIndex)),
      write: (offset, _width, value) => {
        if (offset === 0) this.#state.dispiIndex = value;
        else this.writeDispi(this.#state.dispiIndex, value);
      },
    };
  }

  /** The framebuffer lies in memory beside RAM, which is put back with RAM. */
  save(): VgaSaved {
    const { planes, latch } = { planes: this.#planes.slice(), latch: this.window.latch.slice() };
    return { registers: this.state.save(), indexes: copyOf(this.#state), planes, latch };
  }

  load({ registers, indexes, planes, latch }: VgaSaved): void {
    this.state.load(registers);
    this.#state = copyOf(indexes);
    this.#planes.set(planes);
    this.window.latch.set(latch);
  }

  /** What the present mode shows: the four planes, interleaved, or the framebuffer. */
  get memory(): Uint8Array {
    return this.state.isDispi ? this.#framebuffer() : this.#planes;
  }

  readonly isOn = true;

  text(): TextScreen | null {
    return readText(this.state, this.memory);
  }

  picture(): Picture {
    return drawPicture(this.state, this.memory);
  }

  read(offset: number, _width: Width): number {
    const { seq, gfx, attr, dac, crtc } = this.state;
    switch (offset) {
      case Port.ATTRIBUTE:
        return this.#state.attrIndex | (this.state.isBlank ? 0 : PALETTE_ON);
      case Port.ATTRIBUTE_READ:
        return attr[this.#state.attrIndex];
      case Port.SEQUENCER:
        return this.#state.seqIndex;
      case Port.SEQUENCER + 1:
        return seq[this.#state.seqIndex];
      case Port.DAC_MASK:
        return this.state.dacMask;
      case Port.DAC_READ:
        return this.#state.dacIsRead ? 3 : 0;
      case Port.DAC_WRITE:
        return Math.floor(this.#state.dacAt / 3);
      case Port.DAC_DATA: {
        const value = dac[this.#state.dacAt];
        this.#state.dacAt = (this.#state.dacAt + 1) % dac.length;
        return value;
      }
      case Port.MISC_READ:
        return this.state.misc;
      case Port.GRAPHICS:
        return this.#state.gfxIndex;
      case Port.GRAPHICS + 1:
        return gfx[this.#state.gfxIndex];
      case Port.MISC:
      case Port.FEATURE_READ:
        return 0;
    }
    switch (this.#switched(offset)) {
      case 4:
        return this.#state.crtcIndex;
      case 5:
        return crtc[this.#state.crtcIndex];
      case 0xa:
        this.#state.takesIndex = true;
        return this.#status1();
      default:
        return 0xff;
    }
  }

  write(offset: number, _width: Width, value: number): void {
    const { seq, gfx, dac } = this.state;
    switch (offset) {
      case Port.ATTRIBUTE:
        this.#writeAttribute(value);
        return;
      case Port.MISC:
        this.state.misc = value;
        return;
      case Port.SEQUENCER:
        this.#state.seqIndex = value & 7;
        return;
      case Port.SEQUENCER + 1:
        seq[this.#state.seqIndex] = value;
        return;
      case Port.DAC_MASK:
        this.state.dacMask = value;
        return;
      case Port.DAC_READ:
      case Port.DAC_WRITE:
        this.#state.dacAt = 3 * value;
        this.#state.dacIsRead = offset === Port.DAC_READ;
        return;
      case Port.DAC_DATA:
        dac[this.#state.dacAt] = value & 0x3f;
        this.#state.dacAt = (this.#state.dacAt + 1) % dac.length;
        return;
      case Port.GRAPHICS:
        this.#state.gfxIndex = value & 15;
        return;
      case Port.GRAPHICS + 1:
        gfx[this.#state.gfxIndex] = value;
        return;
    }
    const at = this.#switched(offset);
    if (at === 4) this.#state.crtcIndex = value & 31;
    else if (at === 5) this.#writeCrtc(value);
  }

  readDispi(index: number): number {
    const { dispi } = this.state;
    if (index === Dispi.MEMORY_64K) return this.#framebuffer().length >> 16;
    if (dispi[Dispi.ENABLE] & DispiEnable.CAPABILITIES) {
      if (index === Dispi.WIDTH) return MOST_WIDTH;
      if (index === Dispi.HEIGHT) return MOST_WIDTH;
      if (index === Dispi.DEPTH) return 32;
    }
    return index < DISPI_REGISTERS ? dispi[index] : 0;
  }

  writeDispi(index: number, value: number): void {
    const { dispi } = this.state;
    const word = value & 0xffff;
    if (index === Dispi.ID) dispi[index] = word >= 0xb0c0 && word <= DISPI_ID ? word : dispi[index];
    else if (index === Dispi.ENABLE) this.#enable(word);
    else if (index < Dispi.MEMORY_64K && index !== Dispi.VIRTUAL_HEIGHT) dispi[index] = word;
  }

  #enable(value: number): void {
    const { dispi } = this.state;
    const starts = (value & DispiEnable.ON) !== 0 && !this.state.isDispi;
    dispi[Dispi.ENABLE] = value;
    if (!starts) return;
    dispi[Dispi.VIRTUAL_WIDTH] = dispi[Dispi.WIDTH];
    dispi.fill(0, Dispi.X, Dispi.Y + 1);
    dispi[Dispi.BANK] = 0;
    const memory = this.#framebuffer();
    const line = Math.max(1, (dispi[Dispi.WIDTH] * dispi[Dispi.DEPTH]) >> 3);
    dispi[Dispi.VIRTUAL_HEIGHT] = Math.min(0xffff, Math.floor(memory.length / line));
    if ((value & DispiEnable.KEEP) === 0) memory.fill(0, 0, line * dispi[Dispi.HEIGHT]);
  }

  #writeAttribute(value: number): void {
    if (this.#state.takesIndex) {
      this.#state.attrIndex = value & 31;
      this.state.isBlank = (value & PALETTE_ON) === 0;
    } else if (this.#state.attrIndex <= Attr.COLOR_SELECT) this.state.attr[this.#state.attrIndex] = value;
    this.#state.takesIndex = !this.#state.takesIndex;
  }

  #writeCrtc(value: number): void {
    const { crtc } = this.state;
    const index = this.#state.crtcIndex;
    if (index > Crtc.OVERFLOW || (crtc[Crtc.VERTICAL_RETRACE_END] & LOCKED) === 0) crtc[index] = value;
    else if (index === Crtc.OVERFLOW) crtc[index] = (crtc[index] & ~LINE_COMPARE_8) | (value & LINE_COMPARE_8);
  }

  /** Offset from 0x3d0 or 0x3b0, whichever the miscellaneous register chose; -1 at the other. */
  #switched(offset: number): number {
    const base = this.state.misc & 1 ? COLOR_PORTS : 0;
    return offset >= base && offset < base + 16 ? offset - base : -1;
  }

  #status1(): number {
    const line = ((Number(this.#clock.now() % NS_PER_SECOND) % FRAME_NS) / FRAME_NS) * LINES;
    if (line >= VISIBLE_LINES) return Status1.BLANK | Status1.RETRACE;
    return line % 1 >= VISIBLE_OF_LINE ? Status1.BLANK : 0;
  }
}
