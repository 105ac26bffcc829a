/**
 * The interrupt controllers of a PC: two 8259A (Intel data sheet 231468), the second on line 2 of the first, and the
 * edge/level registers of the later chipsets. An edge stays latched when its line falls before the processor asks: the
 * data sheet calls that a spurious IR7, but the controllers that guests of today know latch it, and test suites rely on it.
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { Face, IoDevice } from './device.ts';

const CASCADE_LINE = 2;
const SPURIOUS_LINE = 7;
const Icw1 = { NEEDS_ICW4: 1, SINGLE: 2, LEVEL: 8, MARK: 0x10 } as const;
const Icw4 = { AUTO_EOI: 2, SPECIAL_FULLY_NESTED: 0x10 } as const;
const Ocw3 = { MARK: 8, READ_ISR: 1, READ: 2, POLL: 4, SPECIAL_MASK: 0x20, SET_SPECIAL_MASK: 0x40 } as const;
const Ocw2 = { EOI: 0x20, SPECIFIC: 0x40, ROTATE: 0x80 } as const;
const NONE = -1;

type Expects = 'ICW2' | 'ICW3' | 'ICW4' | 'OCW1';

/** What a guest can tell apart. */
export type PicState = {
  lines: number;
  latched: number;
  isr: number;
  imr: number;
  levelTriggered: number;
  allLevel: boolean;
  lowest: number;
  vectorBase: number;
  autoEoi: boolean;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  specialFullyNested: boolean;
  readsIsr: boolean;
  polls: boolean;
  single: boolean;
  needsIcw4: boolean;
  /** Before its first initialization a controller is deaf. */
  expects: Expects;
};

/** One 8259A. `output` is its INT pin. Offset 0 is A0 = 0, offset 1 is A0 = 1. */
export class Pic implements IoDevice, Saved<PicState> {
  readonly maxWidth = 1;
  readonly #output: (level: boolean) => void;
  #state: PicState = {
    lines: 0,
    latched: 0,
    isr: 0,
    imr: 0,
    levelTriggered: 0,
    allLevel: false,
    lowest: 7,
    vectorBase: 0,
    autoEoi: false,
    rotateOnAutoEoi: false,
    specialMask: false,
    specialFullyNested: false,
    readsIsr: false,
    polls: false,
    single: false,
    needsIcw4: false,
    expects: 'ICW2',
  };

  constructor(output: (level: boolean) => void) {
    this.#output = output;
  }

  /** The edge/level control register: a bit per line, 1 for level-triggered. */
  get levelTriggered(): number {
    return this.#state.levelTriggered;
  }

  set levelTriggered(mask: number) {
    this.#state.levelTriggered = mask;
    this.#update();
  }

  /** Drives input `line` (0 to 7). */
  setLine(line: number, level: boolean): void {
    const bit = 1 << line;
    const was = (this.#state.lines & bit) !== 0;
    if (was === level) return;
    if (level) {
      this.#state.lines |= bit;
      this.#state.latched |= bit;
    } else this.#state.lines &= ~bit;
    this.#update();
  }

  /** The INTA cycle: returns the line now in service, 7 as well where no request is left. */
  acknowledge(): { line: number; vector: number } {
    const line = this.#highestRequest();
    if (line !== NONE) this.#serve(line);
    const named = line === NONE ? SPURIOUS_LINE : line;
    return { line: line === NONE ? NONE : line, vector: this.#state.vectorBase | named };
  }

  save(): PicState {
    return copyOf(this.#state);
  }

  load(state: PicState): void {
    this.#state = copyOf(state);
  }

  read(offset: number, _width: Width): number {
    if (this.#state.polls) return this.#poll();
    if (offset === 1) return this.#state.imr;
    return this.#state.readsIsr ? this.#state.isr : this.#requests();
  }

  write(offset: number, _width: Width, value: number): void {
    if (offset === 1) this.#writeData(value);
    else if (value & Icw1.MARK) this.#initialize(value);
    else if (value & Ocw3.MARK) this.#writeOcw3(value);
    else this.#writeOcw2(value);
    this.#update();
  }

  #requests(): number {
    const level = this.#state.allLevel ? 0xff : this.#state.levelTriggered;
    return (this.#state.latched & ~level) | (this.#state.lines & level);
  }

  /** "Initialization Command Words 1 and 2": what an ICW1 resets. */
  #initialize(value: number): void {
    this.#state.latched = 0;
    this.#state.isr = 0;
    this.#state.imr = 0;
    this.#state.lowest = 7;
    this.#state.specialMask = false;
    this.#state.readsIsr = false;
    this.#state.polls = false;
    this.#state.single = (value & Icw1.SINGLE) !== 0;
    this.#state.allLevel = (value & Icw1.LEVEL) !== 0;
    this.#state.needsIcw4 = (value & Icw1.NEEDS_ICW4) !== 0;
    if (!this.#state.needsIcw4) {
      this.#state.autoEoi = false;
      this.#state.specialFullyNested = false;
    }
    this.#state.rotateOnAutoEoi = false;
    this.#state.expects = 'ICW2';
  }

  #writeData(value: number): void {
    const lastWord = this.#state.needsIcw4 ? 'ICW4' : 'OCW1';
    switch (this.#state.expects) {
      case 'ICW2':
        this.#state.vectorBase = value & 0xf8;
        this.#state.expects = this.#state.single ? lastWord : 'ICW3';
        break;
      case 'ICW3':
        this.#state.expects = lastWord;
        break;
      case 'ICW4':
        this.#state.autoEoi = (value & Icw4.AUTO_EOI) !== 0;
        this.#state.specialFullyNested = (value & Icw4.SPECIAL_FULLY_NESTED) !== 0;
        this.#state.expects = 'OCW1';
        break;
      case 'OCW1':
        this.#state.imr = value;
        break;
    }
  }

  #writeOcw3(value: number): void {
    if (value & Ocw3.SET_SPECIAL_MASK) this.#state.specialMask = (value & Ocw3.SPECIAL_MASK) !== 0;
    this.#state.polls = (value & Ocw3.POLL) !== 0;
    if (value & Ocw3.READ) this.#state.readsIsr = (value & Ocw3.READ_ISR) !== 0;
  }

  #writeOcw2(value: number): void {
    const rotates = (value & Ocw2.ROTATE) !== 0;
    const isSpecific = (value & Ocw2.SPECIFIC) !== 0;
    if (value & Ocw2.EOI) {
      const line = isSpecific ? value & 7 : this.#highestInService();
      if (line === NONE) return;
      this.#state.isr &= ~(1 << line);
      if (rotates) this.#state.lowest = line;
    } else if (isSpecific) {
      if (rotates) this.#state.lowest = value & 7;
    } else {
      this.#state.rotateOnAutoEoi = rotates;
    }
  }

  /** In special mask mode a masked level is not in service for the others. */
  #effectiveIsr(): number {
    return this.#state.specialMask ? this.#state.isr & ~this.#state.imr : this.#state.isr;
  }

  #highestInService(): number {
    const inService = this.#effectiveIsr();
    for (let i = 1; i <= 8; i++) {
      const line = (this.#state.lowest + i) & 7;
      if (inService & (1 << line)) return line;
    }
    return NONE;
  }

  #highestRequest(): number {
    if (this.#state.expects !== 'OCW1') return NONE;
    const requests = this.#requests() & ~this.#state.imr;
    const inService = this.#effectiveIsr();
    for (let i = 1; i <= 8; i++) {
      const line = (this.#state.lowest + i) & 7;
      const bit = 1 << line;
      const nests = this.#state.specialFullyNested && line === CASCADE_LINE;
      if (inService & bit && !nests) return NONE;
      if (requests & bit) return line;
      if (inService & bit) return NONE;
    }
    return NONE;
  }

  #serve(line: number): void {
    const bit = 1 << line;
    this.#state.latched &= ~bit;
    if (!this.#state.autoEoi) this.#state.isr |= bit;
    else if (this.#state.rotateOnAutoEoi) this.#state.lowest = line;
    this.#update();
  }

  /** "Poll Command": the read is the acknowledgement; bit 7 tells whether there was a request. */
  #poll(): number {
    this.#state.polls = false;
    const line = this.#highestRequest();
    if (line === NONE) return 0;
    this.#serve(line);
    return 0x80 | line;
  }

  #update(): void {
    this.#output(this.#highestRequest() !== NONE);
  }
}

/** The second controller's request is a level to the first: it lasts while there is a request behind it. */
const CASCADE_BIT = 1 << CASCADE_LINE;
const MASTER_ELCR_MASK = 0xf8;
const SLAVE_ELCR_MASK = 0xde;

/** Both controllers, their cascade and the edge/level registers. `intr` is the processor's INTR pin. */
export class PicPair {
  readonly master: Pic;
  readonly slave: Pic;
  /** Ports 0x4d0 and 0x4d1, a face of both: which lines are level-triggered; the board's own lines stay edge-triggered. */
  readonly elcr: Face;

  constructor(intr: (level: boolean) => void) {
    this.master = new Pic(intr);
    this.slave = new Pic((level) => this.master.setLine(CASCADE_LINE, level));
    this.master.levelTriggered = CASCADE_BIT;
    this.elcr = {
      maxWidth: 1,
      stateOf: null,
      read: (offset) => (offset === 0 ? this.master.levelTriggered & ~CASCADE_BIT : this.slave.levelTriggered),
      write: (offset, _width, value) => {
        if (offset === 0) this.master.levelTriggered = (value & MASTER_ELCR_MASK) | CASCADE_BIT;
        else this.slave.levelTriggered = value & SLAVE_ELCR_MASK;
      },
    };
  }

  /** Drives IRQ `irq` (0 to 15); 2 is the cascade and not connected. */
  setIrq(irq: number, level: boolean): void {
    if (irq === CASCADE_LINE) return;
    if (irq < 8) this.master.setLine(irq, level);
    else this.slave.setLine(irq - 8, level);
  }

  /** The INTA cycle of the pair: the vector for the processor. */
  acknowledge(): number {
    const master = this.master.acknowledge();
    if (master.line !== CASCADE_LINE) return master.vector;
    const { vector } = this.slave.acknowledge();
    return vector;
  }
}
