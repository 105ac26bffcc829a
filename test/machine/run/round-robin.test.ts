// Turns of processors of functions: who runs how far, and who is asleep.
import { describe, expect, it } from 'vitest';
import { type Bus, type Core, NEVER, Stop } from '../../../src/core/types.ts';
import { type RoundLimits, RoundRobin, TURN_NS } from '../../../src/machine/run/round-robin.ts';
import { FakeCore, type FakeInstruction, forever, hlt } from '../fake-core.ts';

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
  it('gives a turn of some ten microseconds to each, and none to those that sleep', () => {
    const turns = group([forever], [hlt], [() => Stop.WAIT_FOR_SIPI], [forever]);
    expect(turns.round(limits())).toBe(Stop.BUDGET);
    expect(turns.cores.map(({ retired }) => retired)).toEqual([TURN_NS, 1, 1, TURN_NS]);
    expect(turns.now).toBe(BigInt(2 * TURN_NS + 2));
  });

  it('begins each turn at the time that the one before it came to', () => {
    const turns = group([forever], [forever], [forever]);
    turns.round(limits());
    expect(times(turns)).toEqual([TURN_NS, 2 * TURN_NS, 3 * TURN_NS]);
    turns.round(limits());
    expect(times(turns)).toEqual([4 * TURN_NS, 5 * TURN_NS, 6 * TURN_NS]);
  });

  it('ends at the next event, and the next round begins with the next processor', () => {
    const turns = group([forever], [forever]);
    expect(turns.round(limits({ nextEvent: () => 124n }))).toBe(Stop.BUDGET);
    expect(times(turns)).toEqual([124, 0]);
    turns.round(limits({ nextEvent: () => 200n }));
    expect(times(turns)).toEqual([124, 200]);
  });

  it('ends earlier where a device sets an earlier event meanwhile', () => {
    let event = NEVER;
    const sets: FakeInstruction = (_bus, core) => {
      event = core.now + 50n;
      core.requestStop();
    };
    const turns = group([sets, forever], [forever]);
    turns.round(limits({ nextEvent: () => event }));
    expect(times(turns)).toEqual([51, 0]);
    event = NEVER;
    turns.round(limits());
    expect(times(turns)).toEqual([51 + 2 * TURN_NS, 51 + TURN_NS]);
  });

  it("ends a turn where another processor's own timer is due", () => {
    const sleeps: FakeInstruction = (_bus, core) => {
      core.nextDeadline = 14_000n;
      return Stop.HALT;
    };
    const turns = group([forever], [sleeps]);
    turns.round(limits());
    turns.round(limits());
    expect(times(turns)).toEqual([14_000, 14_000]);
  });

  it.each([1, 2, 7, 1000, 4096, TURN_NS, 1_000_003])('never goes back in time, with turns of %i ns', (turnNs) => {
    const seen: bigint[] = [];
    const look: FakeInstruction = (_bus, core) => {
      if (core.retired % 97 === 1 || turnNs < 97) seen.push(turns.now, core.now);
      return 'again';
    };
    const turns: RoundRobin = new RoundRobin(
      [[look], [look], [look]].map((program) => new FakeCore(0x1000, {} as Bus, program)),
      turnNs,
    );
    const run = (core: Core, budget: number): Stop => {
      turns.running = core;
      const stop = core.run(budget);
      seen.push(turns.now);
      turns.running = null;
      return stop;
    };
    for (let n = 0; n < 3; n++) turns.round(limits({ run, slice: 3000 }));
    turns.advance(12.5);
    for (let n = 0; n < 3; n++) turns.round(limits({ run, slice: 3000 }));
    expect(seen.length).toBeGreaterThan(18);
    expect(seen.find((time, n) => time < seen[n - 1])).toBeUndefined();
    expect(seen.at(-1)).toBe(BigInt(18 * turnNs + 13));
  });

  it('lets the time that a processor spends at a device pass in its turn', () => {
    const waits: FakeInstruction = () => turns.spend(600);
    const turns: RoundRobin = group([waits, forever], [forever]);
    const run = (core: Core, budget: number): Stop => {
      turns.running = core;
      return core.run(budget);
    };
    turns.round(limits({ run }));
    expect(times(turns)).toEqual([TURN_NS, 2 * TURN_NS]);
    expect(turns.cores.map(({ retired }) => retired)).toEqual([TURN_NS - 600, TURN_NS]);
  });

  it('finds that all sleep only where nobody did anything in it', () => {
    const turns = group([hlt], [hlt]);
    expect(turns.round(limits())).toBe(Stop.BUDGET);
    expect(turns.round(limits())).toBe(Stop.HALT);
    turns.advance(5000);
    expect(turns.now).toBe(5002n);
    expect(turns.round(limits())).toBe(Stop.HALT);
    expect(times(turns)).toEqual([5002, 5002]);
  });

  it('is over when the instructions are used up, whoever used them, and the next goes on in the same turn', () => {
    const turns = group([forever], [forever]);
    turns.round(limits({ instructions: TURN_NS + 5000 }));
    expect(turns.retired).toBe(TURN_NS + 5000);
    turns.round(limits({ instructions: TURN_NS - 5000 }));
    expect(times(turns)).toEqual([TURN_NS, 2 * TURN_NS]);
  });

  it('does the same wherever limits cut it', () => {
    const programs = [[forever], [hlt], [forever]];
    const [whole, cut] = [7, 7].map(
      (ns) =>
        new RoundRobin(
          programs.map((program) => new FakeCore(0x1000, {} as Bus, program)),
          ns,
        ),
    );
    while (whole.retired < 71) whole.round(limits({ instructions: 71 - whole.retired }));
    while (cut.retired < 71) cut.round(limits({ instructions: 1 }));
    expect(cut.cores.map(({ retired }) => retired)).toEqual([35, 1, 35]);
    expect(times(cut)).toEqual(times(whole));
  });

  it('resets all processors at one time, whoever had the last turn', () => {
    const at: bigint[] = [];
    const turns = group([forever], [forever]);
    turns.round(limits({ instructions: TURN_NS + 7 }));
    turns.round(limits({ instructions: TURN_NS }));
    for (const core of turns.cores) core.reset = () => void at.push(core.now);
    turns.reset();
    expect(at).toEqual([BigInt(2 * TURN_NS + 7), BigInt(2 * TURN_NS + 7)]);
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
