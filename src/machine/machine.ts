/**
 * The PC: a processor, its board and an image to boot. Time is virtual: it is a function of the instructions retired and
 * of the guest's waiting, so that two runs with the same input are the same run.
 */
import { type Core, Stop } from '../core/types.ts';
import { VirtualClock } from '../devices/clock.ts';
import { WorkMeter } from '../devices/work-meter.ts';
import { Board } from './board/board.ts';
import { ExtraMemory } from './board/extra-memory.ts';
import { withFlash } from './board/flash.ts';
import { checkCount, checkInput, checkLimits } from './check-options.ts';
import type { Outcome } from './events.ts';
import { Boot } from './firmware/boot.ts';
import { ConsoleBuffer } from './host/console-buffer.ts';
import { HostServices } from './host/guest-links.ts';
import { HostSide } from './host/host-side.ts';
import {
  checkMachineType,
  checkSerialPorts,
  checkVcpus,
  dateAt,
  devicesOf,
  type MachineOptions,
  parseMemory,
} from './options.ts';
import type { ExitBreak } from './run/exit-break.ts';
import { Exits } from './run/exits.ts';
import { HostWorkGauge } from './run/idle-gauge.ts';
import { jumpOf, nsUntil } from './run/next-event.ts';
import { Pacer } from './run/pacer.ts';
import { addProcessors, processorWires } from './run/processors.ts';
import { makeReport, type Report } from './run/report.ts';
import { RoundRobin } from './run/round-robin.ts';
import { Sleep } from './run/sleep.ts';
import { isStepping, stepTraced } from './run/tracer.ts';
import { hostMs, TURN_MS, yieldToHost } from './run/yield.ts';
import { randomFor } from './state/random.ts';

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

export class Machine extends HostSide {
  /** The bootstrap processor. */
  readonly core: Core;
  /** All processors. */
  readonly cores: readonly Core[];
  readonly #turns: RoundRobin;
  readonly #options: MachineOptions;
  readonly #board: Board;
  readonly #boot: Boot;
  readonly #clock: VirtualClock;
  readonly #console: ConsoleBuffer;
  readonly #exits: Exits;
  #ending: Outcome | null = null;
  #running = false;
  /** Processors in HLT or waiting for SIPI. */
  readonly #asleep: Set<Core>;
  readonly #sleep = new Sleep();
  #isInTurn = false;
  readonly #hostWork: HostWorkGauge;
  #hostMs = 0;
  #waitsForInput: boolean;
  readonly #pacer: Pacer | null;
  /** How long the guest may sleep if nobody types, in milliseconds. */
  #sleepMs = Number.POSITIVE_INFINITY;
  /** Of the time before the last reboot. */
  #pastInstructions = 0;
  #pastNs = 0n;

  /** Makes a machine and loads its kernel. Throws RangeError or ImageError where that is not possible. */
  static async create(asked: MachineOptions): Promise<Machine> {
    const options = await withFlash(asked);
    const memoryBytes = parseMemory(options.memory);
    const vcpus = checkVcpus(options.vcpus ?? 1);
    const extra = new ExtraMemory();
    const boot = await Boot.prepare(options, extra, memoryBytes);
    const cores: Core[] = [];
    const turns = new RoundRobin(cores);
    let machine: Machine | null = null;
    const clock = new VirtualClock(
      () => (cores.length > 0 ? turns.now : 0n),
      () => turns.running?.requestStop(),
    );
    const host = new HostWorkGauge((ns) => {
      if (machine) machine.#pass(ns);
    });
    const services = new HostServices(host, randomFor(options), options.folders, () => dateAt(options, clock.now()));
    const output = new ConsoleBuffer((text, info) => machine?.emit('console', text, info));
    const board = new Board({
      ...processorWires(turns, memoryBytes),
      clock,
      ramBytes: memoryBytes,
      vcpus,
      commandLine: options.append ?? '',
      firmware: options,
      devices: devicesOf(options),
      extra,
      serialPorts: checkSerialPorts(options.serialPorts ?? 1),
      machine: checkMachineType(options.machine ?? 'pc'),
      backends: options,
      msi: (address, data) => {
        cores[0]?.deliverMsi(address, data);
        if (machine) machine.#wakeFromOutside();
      },
      busy: (work) => {
        if (machine) machine.#sleep.waitFor(work);
      },
      host,
      work: new WorkMeter(() => turns.running?.requestStop()),
      services,
      log: (line) => machine?.emit('log', line),
      date: dateAt(options),
      ioapic: (pin, level) => {
        cores[0]?.setIoapicPin(pin, level);
        if (machine) machine.#wakeFromOutside();
      },
      output: (source, byte) => output.add(source, byte),
      end: (outcome) => {
        if (machine) machine.#end(outcome);
      },
    });
    await addProcessors(cores, options, { memoryBytes, vcpus, bus: board.bus, extra, hasVga: board.acpi.hasVga });
    machine = new Machine(options, turns, board, boot, clock, output, host, services);
    machine.#boot.load(machine.core, board);
    return machine;
  }

  private constructor(
    options: MachineOptions,
    turns: RoundRobin,
    board: Board,
    boot: Boot,
    clock: VirtualClock,
    output: ConsoleBuffer,
    hostWork: HostWorkGauge,
    services: HostServices,
  ) {
    super(services, board);
    this.#options = options;
    this.#turns = turns;
    this.cores = turns.cores;
    this.core = turns.cores[0];
    this.#exits = new Exits(this.cores, board.bus, options, (...exit) => this.emit('vmexit', ...exit));
    this.#asleep = new Set(turns.cores.slice(1));
    this.#board = board;
    this.#boot = boot;
    this.#clock = clock;
    this.#console = output;
    this.#hostWork = hostWork;
    this.#waitsForInput = options.waitForInput ?? false;
    this.#pacer = options.clock === 'host' ? new Pacer() : null;
  }

  /**
   * Runs until the guest ends, `stop` is called, `instructions` more are retired or `exit` happens; the event loop gets
   * turns. Throws where the machine runs already.
   */
  async run(limits: { instructions?: number; exit?: ExitBreak } = {}): Promise<Outcome> {
    if (this.#running) throw new Error('the machine is running already');
    checkLimits(limits);
    this.#exits.watch(limits.exit ?? null);
    this.#running = true;
    this.#pacer?.start(this.#turns.now);
    const limit = this.#turns.retired + (limits.instructions ?? Number.POSITIVE_INFINITY);
    try {
      for (;;) {
        const outcome = this.#turn(limit);
        this.#console.flush();
        if (outcome === WAIT) await this.#hostWork.during(this.#sleep.until(this.#sleepMs));
        else if (outcome) {
          this.emit('exit', outcome);
          return outcome;
        } else await yieldToHost();
      }
    } finally {
      this.#running = false;
    }
  }

  /** Ends the current run with the outcome 'stopped'; without one it does nothing. */
  stop(): void {
    if (!this.#running) return;
    this.#end({ reason: 'stopped' });
    this.#sleep.poke();
  }

  /**
   * Executes `count` instructions at once, events included; fewer where a thousand events or faults in a row led to none.
   * Returns the outcome where the guest ended.
   */
  step(count = 1): Outcome | null {
    if (this.#running) throw new Error('the machine is running already');
    checkCount(count);
    const limit = this.#turns.retired + count;
    let outcome: Outcome | typeof WAIT | null = null;
    for (let idle = 0; outcome === null && idle < MOST_IDLE_SLICES; idle++) {
      const { retired } = this.#turns;
      outcome = this.#slice(limit);
      if (this.#turns.retired > retired) idle = 0;
    }
    this.#console.flush();
    return outcome === WAIT || outcome?.reason === 'limit' ? null : outcome;
  }

  /** Types into a serial port. Text is sent as UTF-8. */
  send(input: string | Uint8Array, port = 0): void {
    checkInput(input);
    this.#board.send(port, typeof input === 'string' ? new TextEncoder().encode(input) : input);
    this.#sleep.poke();
  }

  /** Presses the ACPI power button: the guest is asked to turn itself off. Returns whether it wants to hear of that. */
  powerButton(): boolean {
    const isHeard = this.#board.pressPowerButton();
    this.#sleep.poke();
    return isHeard;
  }

  /**
   * What the device with this `id` may be driven by: for a virtio device its object, undefined for most others. A reset
   * makes devices anew: not to be kept.
   */
  device(id: string): object | undefined {
    return this.#board.device(id);
  }

  /** Nobody will type any more: a guest that only waits for input has halted. */
  closeInput(): void {
    this.#waitsForInput = false;
    this.#sleep.poke();
  }

  /** What happened at the making of the machine that its owner may want to know. */
  get notes(): readonly string[] {
    return this.#boot.notes;
  }

  /** The numbers of all runs so far. */
  get report(): Report {
    return makeReport(
      {
        instructions: this.#pastInstructions + this.#turns.retired,
        hostSeconds: this.#hostMs / 1000,
        virtualSeconds: Number(this.#pastNs + this.#turns.now) / 1e9,
      },
      this.#exits,
      this.#board.bus,
      this.balloon,
    );
  }

  /** Slices until something happened or the event loop is due. */
  #turn(limit: number): Outcome | typeof WAIT | null {
    const start = hostMs();
    this.#sleep.begin();
    this.#isInTurn = true;
    try {
      for (;;) {
        const outcome = this.#slice(limit);
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

  #slice(limit: number): Outcome | typeof WAIT | null {
    if (this.#pacer) this.#pass(this.#pacer.lag(this.#turns.now));
    this.#board.work.begin();
    this.#clock.runDue(() => this.#board.work.isSpent);
    const ending = this.#takeEnding();
    if (ending) return ending;
    // What is due again is of this instant too, but the host has its turn first.
    if (this.#clock.nextDeadline <= this.#turns.now) return null;
    const left = limit - this.#turns.retired;
    if (left <= 0) return { reason: 'limit' };
    const stop = this.#runCores(left, isStepping(this.#options.tracer) ? 1 : SLICE);
    switch (stop) {
      case Stop.BUDGET:
      case Stop.REQUESTED:
        return this.#takeEnding();
      case Stop.HALT:
        return this.#takeEnding() ?? this.#idle();
      case Stop.SHUTDOWN:
        return this.#restart('shutdown');
      case Stop.WAIT_FOR_SIPI:
        return { reason: 'halted' };
      default:
        throw stop satisfies never;
    }
  }

  /** A slice of the only processor, or a round of all. */
  #runCores(instructions: number, slice: number): Stop {
    if (this.cores.length === 1) {
      const untilEvent = nsUntil(this.core.now, this.#clock.nextDeadline);
      return this.#runCore(this.core, Math.max(1, Math.min(slice, untilEvent, instructions)));
    }
    return this.#turns.round({
      nextEvent: () => this.#clock.nextDeadline,
      instructions,
      slice,
      isEnding: () => this.#ending !== null || this.#board.work.isSpent,
      run: (core, budget) => this.#runCore(core, budget),
    });
  }

  #runCore(core: Core, budget: number): Stop {
    const { tracer } = this.#options;
    this.#turns.running = core;
    this.#exits.begin(core);
    try {
      const run = (): Stop => core.run(budget);
      const stop = isStepping(tracer) ? stepTraced(core, this.cores, tracer, this.#asleep.has(core), run) : run();
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
    if (this.cores.every((core) => (core.get('rflags') & RFLAGS_IF) === 0n && !core.vmx?.inGuest))
      return { reason: 'halted' };
    const ahead = this.#untilNextEvent();
    if (this.#sleep.isForWork && !this.#pacer) {
      this.#sleepMs = Number.POSITIVE_INFINITY;
      return WAIT;
    }
    if (ahead === Number.POSITIVE_INFINITY) {
      this.#sleepMs = ahead;
      return this.#waitsForInput || this.#sleep.isForWork || this.#hostWork.mayCome ? WAIT : { reason: 'halted' };
    }
    this.#sleepMs = this.#pacer
      ? (ahead - this.#pacer.lag(this.#turns.now)) / NS_PER_MS
      : this.#hostWork.sleepMs(ahead);
    if (this.#sleepMs >= SHORTEST_SLEEP_MS) return WAIT;
    this.#turns.advance(jumpOf(ahead));
    return null;
  }

  #untilNextEvent(): number {
    return nsUntil(this.#turns.now, this.#clock.nextDeadline, this.#turns.nextDeadline);
  }

  /** Lets virtual time pass, but not past an event. */
  #pass(ns: number): void {
    const part = Math.min(ns, this.#untilNextEvent());
    if (part > 0) this.#turns.advance(part);
  }

  #takeEnding(): Outcome | null {
    const ending = this.#ending;
    this.#ending = null;
    return ending?.reason === 'reset' ? this.#restart('reset') : ending;
  }

  #restart(cause: 'shutdown' | 'reset'): Outcome | null {
    if (!this.#options.reboot) return { reason: cause };
    const { retired, now } = this.#turns;
    this.#turns.reset();
    this.#exits.reset();
    this.#pastInstructions += retired - this.#turns.retired;
    this.#pastNs += now - this.#turns.now;
    this.#board.reset();
    this.#boot.load(this.core, this.#board);
    this.emit('reboot', cause);
    return null;
  }

  #end(outcome: Outcome): void {
    this.#ending ??= outcome;
    this.#turns.running?.requestStop();
  }

  /** A device raised an interrupt: where no guest access was the cause, an idle guest is to look. */
  #wakeFromOutside(): void {
    if (!this.#isInTurn) this.#sleep.poke();
  }
}
