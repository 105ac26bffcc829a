/**
 * The interval timer of a PC: an 8254 at 1.193182 MHz whose counter 0 is IRQ 0, counter 1 stands for memory refresh and
 * counter 2 drives the speaker; and port 0x61, through which the guest gates counter 2 and reads its output.
 */
import type { Width } from '../core/types.ts';
import type { Saved } from '../saved.ts';
import { type Clock, cyclesAt, nsOfCycle, type Timer } from './clock.ts';
import type { Face, IoDevice, IrqLine } from './device.ts';
import { PitCounter, type PitCounterState } from './pit-counter.ts';

const PIT_HZ = 1_193_182n;
/** Refresh requests toggle port 0x61 bit 4 every 18 ticks of counter 1, as the BIOS of the PC programs it. */
const REFRESH_TICKS = 18;

const READ_BACK = 3;
const ReadBack = { NO_COUNT: 0x20, NO_STATUS: 0x10 } as const;
const Port61 = { GATE2: 1, SPEAKER: 2, WRITABLE: 0x0f, REFRESH: 0x10, OUT2: 0x20 } as const;

/** PIT clock ticks since power-on at `ns`: a number holds them exactly for longer than a machine lives. */
export const ticksAt = (ns: bigint): number => Number(cyclesAt(ns, PIT_HZ));

/** The first nanosecond at which `ticksAt` gives `tick`. */
export const nsOfTick = (tick: number): bigint => nsOfCycle(BigInt(tick), PIT_HZ);

export interface PitParts {
  irq: IrqLine;
  clock: Clock;
}

/** The counters, and what the guest wrote to port 0x61. */
export type PitState = { counters: PitCounterState[]; port61: number };

/** Ports 0x40 to 0x43. */
export class Pit implements IoDevice, Saved<PitState> {
  readonly maxWidth = 1;
  /** Port 0x61, system control port B. */
  readonly controlPort: Face;
  readonly #parts: PitParts;
  readonly #counters = [new PitCounter(true), new PitCounter(true), new PitCounter(false)];
  readonly #timer: Timer;
  #port61 = 0;

  constructor(parts: PitParts) {
    this.#parts = parts;
    this.#timer = parts.clock.timer('pit', () => this.#follow());
    parts.irq(this.#counters[0].out);
    this.controlPort = {
      maxWidth: 1,
      stateOf: this,
      read: () => this.#readControlPort(),
      write: (_offset, _width, value) => {
        this.#port61 = value & Port61.WRITABLE;
        this.#counters[2].setGate((value & Port61.GATE2) !== 0, this.#tick());
      },
    };
  }

  save(): PitState {
    return { counters: this.#counters.map((counter) => counter.save()), port61: this.#port61 };
  }

  load({ counters, port61 }: PitState): void {
    for (const [n, counter] of this.#counters.entries()) counter.load(counters[n]);
    this.#port61 = port61;
  }

  read(offset: number, _width: Width): number {
    if (offset === 3) return 0xff;
    return this.#counters[offset].read(this.#tick());
  }

  write(offset: number, _width: Width, value: number): void {
    const tick = this.#tick();
    if (offset < 3) this.#counters[offset].write(value, tick);
    else this.#control(value, tick);
    this.#follow();
  }

  #tick(): number {
    return ticksAt(this.#parts.clock.now());
  }

  #control(word: number, tick: number): void {
    const select = word >> 6;
    if (select === READ_BACK) {
      this.#counters.forEach((counter, index) => {
        if ((word & (2 << index)) === 0) return;
        if ((word & ReadBack.NO_COUNT) === 0) counter.latchCount(tick);
        if ((word & ReadBack.NO_STATUS) === 0) counter.latchStatus(tick);
      });
    } else if ((word & 0x30) === 0) this.#counters[select].latchCount(tick);
    else this.#counters[select].control(word, tick);
  }

  /** Carries counter 0's output to its line, and comes back at its next change. */
  #follow(): void {
    const [counter] = this.#counters;
    counter.sync(this.#tick());
    this.#parts.irq(counter.out);
    const next = counter.nextEvent;
    if (next === Number.POSITIVE_INFINITY) this.#timer.cancel();
    else this.#timer.arm(nsOfTick(next));
  }

  #readControlPort(): number {
    const tick = this.#tick();
    const counter = this.#counters[2];
    counter.sync(tick);
    const refresh = Math.floor(tick / REFRESH_TICKS) & 1 ? Port61.REFRESH : 0;
    return this.#port61 | refresh | (counter.out ? Port61.OUT2 : 0);
  }
}
