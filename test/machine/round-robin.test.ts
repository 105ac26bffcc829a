// Turns of processors of functions: who runs how far, and who is asleep.
import { describe, expect, it } from 'vitest';
import { type Bus, type Core, NEVER, Stop } from '../../src/core-types.ts';
import { type RoundLimits, RoundRobin, TURN_NS } from '../../src/machine/round-robin.ts';
import { FakeCore, type FakeInstruction, forever, hlt } from './fake-core.ts';

const group = (...programs: FakeInstruction[][]): RoundRobin =>
  new RoundRobin(programs.map((program) => new FakeCore(0x1000, {} as Bus, program)));
const limits = (wishes: Partial<RoundLimits> = {}): RoundLimits => ({
  nextEvent: () => NEVER,
  instructions: 1e9,
  slice: 1e6,
  isEnding: () => false,
  run: (core: Core, budget: number) => core.run(budget),
  ...wishes,
});
const times = ({ cores }: RoundRobin): number[] => cores.map(({ now }) => Number(now));

describe('a round', () => {
  it('takes every processor some ten microseconds further, awake or not', () => {
    const turns = group([forever], [hlt], [() => Stop.WAIT_FOR_SIPI]);
    expect(turns.round(limits())).toBe(Stop.BUDGET);
    expect(times(turns)).toEqual([TURN_NS, TURN_NS, TURN_NS]);
    expect(turns.cores.map(({ retired }) => retired)).toEqual([TURN_NS, 1, 1]);
    expect(turns.now).toBe(BigInt(TURN_NS));
  });

  it('ends at the next event', () => {
    const turns = group([forever], [hlt]);
    turns.round(limits({ nextEvent: () => 124n }));
    expect(times(turns)).toEqual([124, 124]);
  });

  it('ends earlier where a device sets an earlier event meanwhile', () => {
    let event = NEVER;
    const sets: FakeInstruction = (_bus, core) => {
      event = core.now + 50n;
      core.requestStop();
    };
    const turns = group([forever], [sets, forever], [forever]);
    turns.round(limits({ nextEvent: () => event }));
    expect(times(turns)).toEqual([TURN_NS, 51, 51]);
    event = NEVER;
    turns.round(limits());
    expect(times(turns)).toEqual([TURN_NS + 51, TURN_NS + 51, TURN_NS + 51]);
  });

  it('never shows devices an earlier time', () => {
    const seen: number[] = [];
    const turns: RoundRobin = group([forever], [forever]);
    const run = (core: Core, budget: number): Stop => {
      turns.running = core;
      const stop = core.run(budget);
      seen.push(Number(turns.now));
      turns.running = null;
      return stop;
    };
    for (let n = 0; n < 3; n++) turns.round(limits({ run, slice: 3000 }));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(3 * TURN_NS);
  });

  it('lets time that a processor spends at a device pass for it alone, and goes on', () => {
    const waits: FakeInstruction = () => turns.spend(600);
    const turns: RoundRobin = group([waits, forever], [forever]);
    const run = (core: Core, budget: number): Stop => {
      turns.running = core;
      return core.run(budget);
    };
    turns.round(limits({ run }));
    expect(times(turns)).toEqual([TURN_NS, TURN_NS]);
    expect(turns.cores.map(({ retired }) => retired)).toEqual([TURN_NS - 600, TURN_NS]);
  });

  it('finds that all sleep only where nobody did anything in it', () => {
    const turns = group([hlt], [hlt]);
    expect(turns.round(limits())).toBe(Stop.BUDGET);
    expect(turns.round(limits())).toBe(Stop.HALT);
    turns.advance(5000);
    expect(times(turns)).toEqual([2 * TURN_NS + 5000, 2 * TURN_NS + 5000]);
  });

  it('is over when the instructions are used up, whoever used them', () => {
    const turns = group([forever], [forever]);
    turns.round(limits({ instructions: TURN_NS + 5000 }));
    expect(turns.retired).toBe(TURN_NS + 5000);
    turns.round(limits({ instructions: TURN_NS - 5000 }));
    expect(times(turns)).toEqual([TURN_NS, TURN_NS]);
  });

  it.each([8, 10, 25, 100])('lets a processor have a lock that another frees once in %i instructions', (length) => {
    let [isLocked, at, isTaken] = [true, 0, false];
    const frees: FakeInstruction = () => {
      isLocked = ++at % length !== 1;
      return 'again';
    };
    const takes: FakeInstruction = () => {
      isTaken ||= !isLocked;
      return 'again';
    };
    const turns = group([frees], [takes]);
    for (let n = 0; n < length; n++) turns.round(limits());
    expect(isTaken).toBe(true);
  });
});
