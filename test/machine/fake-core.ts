/**
 * A processor whose instructions are functions, for tests of everything around it. It keeps the contract of the real
 * one: budgets, time, HLT, the INTR pin and stops on request.
 */
import {
  type Bus,
  type Core,
  NEVER,
  type RegisterName,
  type Segment,
  type SegmentName,
  Stop,
} from '../../src/core/types.ts';
import type { CoreFactory } from '../../src/machine/options.ts';
import { PlainMemory } from './plain-memory.ts';

const IF = 0x200n;

/** One instruction; it may return a stop, and is repeated where it returns 'again'. */
export type FakeInstruction = (bus: Bus, core: FakeCore) => unknown;

export class FakeCore implements Core {
  readonly memory: PlainMemory;
  readonly bus: Bus;
  readonly program: readonly FakeInstruction[];
  readonly interrupts: number[] = [];
  /** Pins of the I/O APIC that are high. */
  readonly pins = new Set<number>();
  readonly registers = new Map<string, bigint>();
  readonly segments = new Map<SegmentName, Segment>();
  retired = 0;
  now = 0n;
  nextDeadline = NEVER;
  resets = 0;
  #at = 0;
  #intr = false;
  #requested = false;
  #halted = false;
  /** Of the budget of `run`, what accesses took. */
  #waited = 0;

  constructor(memoryBytes: number, bus: Bus, program: readonly FakeInstruction[]) {
    this.memory = new PlainMemory(memoryBytes);
    this.bus = bus;
    this.program = program;
  }

  run(budget: number): Stop {
    this.#waited = 0;
    for (let i = 0; i + this.#waited < budget; i++) {
      if (this.#intr && this.get('rflags') & IF) {
        this.#halted = false;
        this.interrupts.push(this.bus.interruptAcknowledge());
      }
      if (this.#halted) return Stop.HALT;
      const instruction = this.program[this.#at];
      this.retired++;
      this.now++;
      const result = instruction ? instruction(this.bus, this) : Stop.SHUTDOWN;
      if (result !== 'again') this.#at++;
      if (result === Stop.HALT) this.#halted = true;
      if (this.#requested) {
        this.#requested = false;
        return Stop.REQUESTED;
      }
      if (typeof result === 'number' && result !== Stop.HALT) return result as Stop;
    }
    return this.#halted && !this.#intr ? Stop.HALT : Stop.BUDGET;
  }

  requestStop(): void {
    this.#requested = true;
  }

  spend(ns: number): void {
    this.now += BigInt(ns);
    this.#waited += ns;
  }

  advance(ns: number): void {
    this.now += BigInt(Math.ceil(ns));
  }

  setIntr(level: boolean): void {
    this.#intr = level;
  }

  setIoapicPin(pin: number, level: boolean): void {
    if (level) this.pins.add(pin);
    else this.pins.delete(pin);
  }

  deliverMsi(): void {}

  nmi(): void {}

  invalidateCode(): void {}

  getFpu(): void {}

  setFpu(): void {}

  reset(): void {
    this.resets++;
    this.retired = 0;
    this.now = 0n;
    this.#at = 0;
    this.#halted = false;
    this.registers.clear();
  }

  get(register: RegisterName): bigint {
    return this.registers.get(register) ?? 0n;
  }

  set(register: RegisterName, value: bigint): void {
    this.registers.set(register, value);
  }

  getSegment(name: SegmentName): Segment {
    return this.segments.get(name) ?? { selector: 0, base: 0n, limit: 0xffff, rights: 0x93 };
  }

  setSegment(name: SegmentName, value: Segment): void {
    this.segments.set(name, value);
  }

  readMsr(): bigint {
    return 0n;
  }

  writeMsr(): void {}
}

/** A factory for machines, and the core it made last. */
export function fakeCore(program: readonly FakeInstruction[]): { createCore: CoreFactory; core: () => FakeCore } {
  let made: FakeCore | null = null;
  return {
    createCore: async ({ memoryBytes, bus }) => {
      made = new FakeCore(memoryBytes, bus, program);
      return made;
    },
    core: () => made as FakeCore,
  };
}

export const out =
  (port: number, ...bytes: number[]): FakeInstruction =>
  (bus) => {
    for (const byte of bytes) bus.portOut(port, 1, byte);
  };
export const sti: FakeInstruction = (_bus, core) => core.set('rflags', IF | 2n);
export const hlt: FakeInstruction = () => Stop.HALT;
export const forever: FakeInstruction = () => 'again';

/** Repeats itself until the host has had a turn and done `act` in it. */
export function meanwhile(act: () => void): FakeInstruction {
  let state: 'new' | 'asked' | 'done' = 'new';
  return () => {
    if (state === 'new') {
      state = 'asked';
      setImmediate(() => {
        state = 'done';
        act();
      });
    }
    return state === 'done' ? undefined : 'again';
  };
}

/** Halts, and the host does `act` in its next turn. */
export function haltAnd(act: () => void): FakeInstruction {
  return () => {
    setImmediate(act);
    return Stop.HALT;
  };
}
