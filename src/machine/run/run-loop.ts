/**
 * The run loop: processors and devices have their turns until something ends the run. Time is virtual: it is a function of
 * the instructions retired and of the guest's waiting, so that two runs with the same input are the same run.
 */
import { type Core, Stop } from '../../core/types.ts';
import { type ClockState, VirtualClock } from '../../devices/clock.ts';
import { WorkMeter } from '../../devices/work-meter.ts';
import type { Saved } from '../../saved.ts';
import type { Outcome } from '../events.ts';
import type { ConsoleBuffer } from '../host/console-buffer.ts';
import type { MachineOptions } from '../options.ts';
import { HostInput } from '../state/host-input.ts';
import type { ExitBreak } from './exit-break.ts';
import type { Exits } from './exits.ts';
import { HostWorkGauge } from './idle-gauge.ts';
import { jumpOf, nsUntil } from './next-event.ts';
import { Pacer } from './pacer.ts';
import type { RoundRobin } from './round-robin.ts';
import { Sleep } from './sleep.ts';
import { isStepping, stepTraced } from './tracer.ts';
import { hostMs, TURN_MS, yieldToHost } from './yield.ts';

/** Instructions per call of the processor: few enough for a compiler to take over between calls. */
const SLICE = 100_000;
const RFLAGS_IF = 0x200n;
const NS_PER_MS = 1e6;
/** Host timers are no finer. */
const SHORTEST_SLEEP_MS = 1;
/** Slices without an instruction after which a step is over. */
const MOST_IDLE_SLICES = 1000;

/** What a slice can end with besides an outcome: the guest sleeps, and somebody may type. */
const WAIT = 'wait';

export interface RunLoopParts {
  turns: RoundRobin;
  exits: Exits;
  console: ConsoleBuffer;
  options: MachineOptions;
}

export interface RunLimits {
  /** Instructions more. */
  instructions?: number;
  exit?: ExitBreak;
}

/** Puts the machine back to where it began. */
export type Restart = (cause: 'shutdown' | 'reset') => void;

type LoopState = {
  turns: ReturnType<RoundRobin['save']>;
  timers: ClockState;
  /** The numbers of the processors in HLT or waiting for SIPI. */
  asleep: number[];
  pastInstructions: number;
  pastNs: bigint;
};

export class RunLoop implements Saved<LoopState> {
  readonly clock: VirtualClock;
  /** What devices did in this slice. */
  readonly work: WorkMeter;
  /** How idle time passes while the host works for the guest. */
  readonly hostWork: HostWorkGauge;
  /** The doors of the machine. */
  readonly input: HostInput;
  readonly #turns: RoundRobin;
  readonly #cores: readonly Core[];
  readonly #exits: Exits;
  readonly #console: ConsoleBuffer;
  readonly #options: MachineOptions;
  readonly #pacer: Pacer | null;
  /** Processors in HLT or waiting for SIPI. */
  readonly #asleep: Set<Core>;
  readonly #sleep = new Sleep();
  /** As much time of the host's has passed. */
  readonly #letPass: (ns: number) => void;
  #waitsForInput: boolean;
  #ending: Outcome | null = null;
  #running = false;
  #isInTurn = false;
  #hostMs = 0;
  /** How long the guest may sleep if nobody types, in milliseconds. */
  #sleepMs = Number.POSITIVE_INFINITY;
  /** Of the time before the last restart. */
  #pastInstructions = 0;
  #pastNs = 0n;

  constructor({ turns, exits, console, options }: RunLoopParts) {
    this.#turns = turns;
    this.#cores = turns.cores;
    this.#exits = exits;
    this.#console = console;
    this.#options = options;
    this.#asleep = new Set(turns.cores.slice(1));
    this.#waitsForInput = options.waitForInput ?? false;
    this.#pacer = options.clock === 'host' ? new Pacer() : null;
    const cutSlice = (): void => turns.running?.requestStop();
    this.clock = new VirtualClock(() => turns.now, cutSlice);
    this.work = new WorkMeter(cutSlice);
    this.input = new HostInput(() => this.#pastInstructions + turns.retired);
    this.#letPass = this.input.door('time', (ns: number) => this.#pass(ns));
    this.hostWork = new HostWorkGauge(this.#letPass);
  }

  /** Instructions retired, host seconds in `run`, and seconds of the guest, of all runs so far. */
  get figures(): { instructions: number; hostSeconds: number; virtualSeconds: number } {
    return {
      instructions: this.#pastInstructions + this.#turns.retired,
      hostSeconds: this.#hostMs / 1000,
      virtualSeconds: Number(this.#pastNs + this.#turns.now) / 1e9,
    };
  }

  /** Runs until something ends the run; the event loop gets turns. Throws Error where it runs already. */
  async run(limits: RunLimits, restart: Restart): Promise<Outcome> {
    this.#mustRest();
    this.#exits.watch(limits.exit ?? null);
    this.#running = true;
    this.#pacer?.start(this.#turns.now);
    const limit = this.#turns.retired + (limits.instructions ?? Number.POSITIVE_INFINITY);
    try {
      for (;;) {
        const outcome = this.#turn(limit, restart);
        this.#console.flush();
        if (outcome === WAIT) await this.hostWork.during(this.#sleep.until(this.#sleepMs));
        else if (outcome) return outcome;
        else await yieldToHost();
      }
    } finally {
      this.#running = false;
    }
  }

  /** Executes `count` instructions at once; fewer where a thousand events or faults in a row led to none. */
  step(count: number, restart: Restart): Outcome | null {
    this.#mustRest();
    const limit = this.#turns.retired + count;
    let outcome: Outcome | typeof WAIT | null = null;
    for (let idle = 0; outcome === null && idle < MOST_IDLE_SLICES; idle++) {
      const { retired } = this.#turns;
      outcome = this.#slice(limit, restart);
      if (this.#turns.retired > retired) idle = 0;
    }
    this.#console.flush();
    return outcome === WAIT || outcome?.reason === 'limit' ? null : outcome;
  }

  /** Ends the current run with the outcome 'stopped'; without one it does nothing. */
  stop(): void {
    if (!this.#running) return;
    this.end({ reason: 'stopped' });
    this.poke();
  }

  /** Ends the run: the processor is to stop at the next instruction. */
  end(outcome: Outcome): void {
    this.#ending ??= outcome;
    this.#turns.running?.requestStop();
  }

  /** Something happened: an idle guest is to look. */
  poke(): void {
    this.#sleep.poke();
  }

  /** A device raised an interrupt: where no guest access was the cause, an idle guest is to look. */
  wake(): void {
    if (!this.#isInTurn) this.#sleep.poke();
  }

  /** An idle guest waits for `work`, and its time stands still. */
  busy(work: Promise<unknown>): void {
    this.#sleep.waitFor(work);
  }

  /** Resolves when nothing that an idle guest would wait for is at work. Throws Error where the machine runs. */
  async quiesce(): Promise<void> {
    this.#mustRest();
    while (this.#sleep.isForWork) {
      this.#sleep.begin();
      await this.#sleep.until(Number.POSITIVE_INFINITY);
    }
  }

  save(): LoopState {
    this.#mustRest();
    return {
      turns: this.#turns.save(),
      timers: this.clock.save(),
      asleep: [...this.#asleep].map((core) => this.#cores.indexOf(core)),
      pastInstructions: this.#pastInstructions,
      pastNs: this.#pastNs,
    };
  }

  /** To be called when processors and board are put back: timers are theirs. */
  load({ turns, timers, asleep, pastInstructions, pastNs }: LoopState): void {
    this.#mustRest();
    this.#turns.load(turns);
    this.clock.load(timers);
    this.#asleep.clear();
    for (const core of asleep) this.#asleep.add(this.#cores[core]);
    this.#pastInstructions = pastInstructions;
    this.#pastNs = pastNs;
  }

  /** Nobody will type any more: a guest that only waits for input has halted. */
  closeInput(): void {
    this.#waitsForInput = false;
    this.poke();
  }

  #mustRest(): void {
    if (this.#running) throw new Error('the machine is running already');
  }

  /** Slices until something happened or the event loop is due. */
  #turn(limit: number, restart: Restart): Outcome | typeof WAIT | null {
    const start = hostMs();
    this.#sleep.begin();
    this.#isInTurn = true;
    try {
      for (;;) {
        const outcome = this.#slice(limit, restart);
        const spent = hostMs() - start;
        if (outcome || spent > TURN_MS) {
          this.#hostMs += spent;
          return outcome;
        }
      }
    } finally {
      this.#isInTurn = false;
    }
  }

  #slice(limit: number, restart: Restart): Outcome | typeof WAIT | null {
    const lag = this.#pacer?.lag(this.#turns.now) ?? 0;
    if (lag > 0) this.#letPass(lag);
    this.work.begin();
    this.clock.runDue(() => this.work.isSpent);
    const ending = this.#takeEnding(restart);
    if (ending) return ending;
    // What is due again is of this instant too, but the host has its turn first.
    if (this.clock.nextDeadline <= this.#turns.now) return null;
    const left = limit - this.#turns.retired;
    if (left <= 0) return { reason: 'limit' };
    const stop = this.#runCores(left, isStepping(this.#options.tracer) ? 1 : SLICE);
    switch (stop) {
      case Stop.BUDGET:
      case Stop.REQUESTED:
        return this.#takeEnding(restart);
      case Stop.HALT:
        return this.#takeEnding(restart) ?? this.#idle();
      case Stop.SHUTDOWN:
        return this.#restart('shutdown', restart);
      case Stop.WAIT_FOR_SIPI:
        return { reason: 'halted' };
      default:
        throw stop satisfies never;
    }
  }

  /** A slice of the only processor, or a round of all. */
  #runCores(instructions: number, slice: number): Stop {
    if (this.#cores.length === 1) {
      const untilEvent = nsUntil(this.#cores[0].now, this.clock.nextDeadline);
      return this.#runCore(this.#cores[0], Math.max(1, Math.min(slice, untilEvent, instructions)));
    }
    return this.#turns.round({
      nextEvent: () => this.clock.nextDeadline,
      instructions,
      slice,
      isEnding: () => this.#ending !== null || this.work.isSpent,
      run: (core, budget) => this.#runCore(core, budget),
    });
  }

  #runCore(core: Core, budget: number): Stop {
    const { tracer } = this.#options;
    this.#turns.running = core;
    this.#exits.begin(core);
    try {
      const run = (): Stop => core.run(budget);
      const stop = isStepping(tracer) ? stepTraced(core, this.#cores, tracer, this.#asleep.has(core), run) : run();
      if (stop === Stop.HALT || stop === Stop.WAIT_FOR_SIPI) this.#asleep.add(core);
      else this.#asleep.delete(core);
      const hit = this.#exits.end(core, stop);
      this.#ending ??= hit;
      return stop;
    } finally {
      this.#turns.running = null;
    }
  }

  /**
   * HLT: time jumps to the next event. Without one, or with interrupts off, the guest sleeps for good; but a VM exit may
   * end the HLT of a hypervisor's guest all the same.
   */
  #idle(): Outcome | typeof WAIT | null {
    if (this.#cores.every((core) => (core.get('rflags') & RFLAGS_IF) === 0n && !core.vmx?.inGuest))
      return { reason: 'halted' };
    const ahead = this.#untilNextEvent();
    if (this.#sleep.isForWork && !this.#pacer) {
      this.#sleepMs = Number.POSITIVE_INFINITY;
      return WAIT;
    }
    if (ahead === Number.POSITIVE_INFINITY) {
      this.#sleepMs = ahead;
      return this.#waitsForInput || this.#sleep.isForWork || this.hostWork.mayCome ? WAIT : { reason: 'halted' };
    }
    this.#sleepMs = this.#pacer ? (ahead - this.#pacer.lag(this.#turns.now)) / NS_PER_MS : this.hostWork.sleepMs(ahead);
    if (this.#sleepMs >= SHORTEST_SLEEP_MS) return WAIT;
    // Whether the guest sleeps or time jumps is the host's choice where its time counts.
    if (this.#pacer || this.hostWork.mayCome) this.#letPass(jumpOf(ahead));
    else this.#turns.advance(jumpOf(ahead));
    return null;
  }

  #untilNextEvent(): number {
    return nsUntil(this.#turns.now, this.clock.nextDeadline, this.#turns.nextDeadline);
  }

  /** Lets virtual time pass, but not past an event. */
  #pass(ns: number): void {
    const part = Math.min(ns, this.#untilNextEvent());
    if (part > 0) this.#turns.advance(part);
  }

  #takeEnding(restart: Restart): Outcome | null {
    const ending = this.#ending;
    this.#ending = null;
    return ending?.reason === 'reset' ? this.#restart('reset', restart) : ending;
  }

  #restart(cause: 'shutdown' | 'reset', restart: Restart): Outcome | null {
    if (!this.#options.reboot) return { reason: cause };
    const { retired, now } = this.#turns;
    this.#turns.reset();
    this.#exits.reset();
    this.#pastInstructions += retired - this.#turns.retired;
    this.#pastNs += now - this.#turns.now;
    restart(cause);
    return null;
  }
}
