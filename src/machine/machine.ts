/**
 * The PC: a processor, its board and an image to boot. Time is virtual: it is a function of the instructions retired and
 * of the guest's waiting, so that two runs with the same input are the same run.
 */
import { createCore } from '../core.ts';
import { type Core, Stop } from '../core-types.ts';
import { VirtualClock } from '../devices/clock.ts';
import { writeAcpi } from './acpi.ts';
import { Board } from './board.ts';
import { enter } from './boot-state.ts';
import { ConsoleBuffer } from './console-buffer.ts';
import { Emitter, type MachineEvents, type Outcome } from './events.ts';
import { hostMs, yieldToHost } from './host.ts';
import { loadImage } from './loaders/load.ts';
import { MemoryLayout } from './memory-layout.ts';
import { checkSerialPorts, DEFAULT_MEMORY, type MachineOptions, parseMemory } from './options.ts';
import { Pacer } from './pacer.ts';
import { emptyStops, makeReport, type Report, stopName } from './report.ts';
import { isStepping, stepTraced } from './tracer.ts';

/** Instructions per call of the processor: few enough for a compiler to take over between calls. */
const SLICE = 100_000;
/** Host milliseconds between two turns of the event loop. */
const TURN_MS = 12;
const DEFAULT_DATE = Date.UTC(2026, 0, 1);
const RFLAGS_IF = 0x200n;
const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
/** Host timers are no finer. */
const SHORTEST_SLEEP_MS = 1;

/** What a slice can end with besides an outcome: the guest sleeps, and somebody may type. */
const WAIT = 'wait';

export class Machine extends Emitter<MachineEvents> {
  readonly core: Core;
  readonly #options: MachineOptions;
  readonly #board: Board;
  readonly #clock: VirtualClock;
  readonly #console: ConsoleBuffer;
  readonly #stops = emptyStops();
  #ending: Outcome | null = null;
  #running = false;
  #insideCore = false;
  #asleep = false;
  #wake: (() => void) | null = null;
  /** Input came since the current turn began. */
  #poked = false;
  #hostMs = 0;
  #waitsForInput: boolean;
  readonly #pacer: Pacer | null;
  /** How long the guest may sleep if nobody types, in milliseconds. */
  #sleepMs = Number.POSITIVE_INFINITY;
  /** Of the time before the last reboot. */
  #pastInstructions = 0;
  #pastNs = 0;

  /** Makes a machine and loads its kernel. Throws RangeError or ImageError where that is not possible. */
  static async create(options: MachineOptions): Promise<Machine> {
    const memoryBytes = parseMemory(options.memory ?? DEFAULT_MEMORY);
    const serialPorts = checkSerialPorts(options.serialPorts ?? 1);
    let core: Core | null = null;
    let machine: Machine | null = null;
    const clock = new VirtualClock(
      () => core?.now ?? 0,
      () => {
        if (machine) machine.#cutSlice();
      },
    );
    const output = new ConsoleBuffer((text, info) => machine?.emit('console', text, info));
    const board = new Board({
      clock,
      ramBytes: memoryBytes,
      commandLine: options.append ?? '',
      devices: options.devices ?? [],
      serialPorts,
      date: options.date?.getTime() ?? DEFAULT_DATE,
      intr: (level) => core?.setIntr(level),
      ioapic: (pin, level) => core?.setIoapicPin(pin, level),
      output: (source, byte) => output.add(source, byte),
      end: (outcome) => {
        if (machine) machine.#end(outcome);
      },
    });
    const { bus } = board;
    const { cpu, source, createCore: make = createCore } = options;
    core = await make({ memoryBytes, bus, cpu, source });
    machine = new Machine(options, core, board, clock, output);
    machine.#load();
    return machine;
  }

  private constructor(options: MachineOptions, core: Core, board: Board, clock: VirtualClock, output: ConsoleBuffer) {
    super();
    this.#options = options;
    this.core = core;
    this.#board = board;
    this.#clock = clock;
    this.#console = output;
    this.#waitsForInput = options.waitForInput ?? false;
    this.#pacer = options.clock === 'host' ? new Pacer() : null;
  }

  /**
   * Runs until the guest ends, `stop` is called or `instructions` more are retired. The event loop gets a turn every few
   * milliseconds. Throws where the machine runs already.
   */
  async run(limits: { instructions?: number } = {}): Promise<Outcome> {
    if (this.#running) throw new Error('the machine is running already');
    this.#running = true;
    this.#pacer?.start(this.core.now);
    const limit = this.core.retired + (limits.instructions ?? Number.POSITIVE_INFINITY);
    try {
      for (;;) {
        const outcome = this.#turn(limit);
        this.#console.flush();
        if (outcome === WAIT) await this.#input();
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
    this.#poke();
  }

  /** Executes `count` instructions at once, events included; returns the outcome where the guest ended. */
  step(count = 1): Outcome | null {
    if (this.#running) throw new Error('the machine is running already');
    const limit = this.core.retired + count;
    let outcome: Outcome | typeof WAIT | null = null;
    while (outcome === null) outcome = this.#slice(limit);
    this.#console.flush();
    return outcome === WAIT || outcome.reason === 'limit' ? null : outcome;
  }

  /** Types into a serial port. Text is sent as UTF-8. */
  send(input: string | Uint8Array, port = 0): void {
    this.#board.send(port, typeof input === 'string' ? new TextEncoder().encode(input) : input);
    this.#poke();
  }

  /** Presses the ACPI power button: the guest is asked to turn itself off. */
  powerButton(): void {
    this.#board.pressPowerButton();
    this.#poke();
  }

  /** Nobody will type any more: a guest that only waits for input has halted. */
  closeInput(): void {
    this.#waitsForInput = false;
    this.#poke();
  }

  /** The numbers of all runs so far. */
  get report(): Report {
    return makeReport(
      {
        instructions: this.#pastInstructions + this.core.retired,
        hostSeconds: this.#hostMs / 1000,
        virtualSeconds: (this.#pastNs + this.core.now) / NS_PER_SECOND,
        stops: { ...this.#stops },
      },
      this.#board.bus,
    );
  }

  /** Slices until something happened or the event loop is due. */
  #turn(limit: number): Outcome | typeof WAIT | null {
    const start = hostMs();
    this.#poked = false;
    for (;;) {
      const outcome = this.#slice(limit);
      const spent = hostMs() - start;
      if (outcome || spent > TURN_MS) {
        this.#hostMs += spent;
        return outcome;
      }
    }
  }

  #slice(limit: number): Outcome | typeof WAIT | null {
    if (this.#pacer) this.#catchUp(this.#pacer);
    this.#clock.runDue();
    const ending = this.#takeEnding();
    if (ending) return ending;
    const left = limit - this.core.retired;
    if (left <= 0) return { reason: 'limit' };
    const untilEvent = Math.ceil(this.#clock.nextDeadline - this.core.now);
    const stop = this.#runCore(Math.max(1, Math.min(isStepping(this.#options.tracer) ? 1 : SLICE, untilEvent, left)));
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

  #runCore(budget: number): Stop {
    const { tracer } = this.#options;
    this.#insideCore = true;
    try {
      const run = (): Stop => this.core.run(budget);
      const stop = isStepping(tracer) ? stepTraced(this.core, tracer, this.#asleep, run) : run();
      this.#asleep = stop === Stop.HALT;
      this.#stops[stopName(stop)]++;
      return stop;
    } finally {
      this.#insideCore = false;
    }
  }

  /** HLT: time jumps to the next event. Without one, or with interrupts off, the guest sleeps for good. */
  #idle(): Outcome | typeof WAIT | null {
    if ((this.core.get('rflags') & RFLAGS_IF) === 0n) return { reason: 'halted' };
    const ahead = this.#untilNextEvent();
    if (ahead === Number.POSITIVE_INFINITY) {
      this.#sleepMs = ahead;
      return this.#waitsForInput ? WAIT : { reason: 'halted' };
    }
    this.#sleepMs = this.#pacer ? (ahead - this.#pacer.lag(this.core.now)) / NS_PER_MS : 0;
    if (this.#sleepMs >= SHORTEST_SLEEP_MS) return WAIT;
    this.core.advance(ahead);
    return null;
  }

  #untilNextEvent(): number {
    return Math.max(0, Math.min(this.#clock.nextDeadline, this.core.nextDeadline) - this.core.now);
  }

  /** Moves virtual time up to the host's, but not past an event. */
  #catchUp(pacer: Pacer): void {
    const lag = Math.min(pacer.lag(this.core.now), this.#untilNextEvent());
    if (lag > 0) this.core.advance(lag);
  }

  #takeEnding(): Outcome | null {
    const ending = this.#ending;
    this.#ending = null;
    return ending?.reason === 'reset' ? this.#restart('reset') : ending;
  }

  #restart(cause: 'shutdown' | 'reset'): Outcome | null {
    if (!this.#options.reboot) return { reason: cause };
    const { retired, now } = this.core;
    this.core.reset();
    this.#pastInstructions += retired - this.core.retired;
    this.#pastNs += now - this.core.now;
    this.#board.reset();
    this.#load();
    this.emit('reboot', cause);
    return null;
  }

  #load(): void {
    const { kernel, flat, kernelName = 'kernel', append = '', modules = [] } = this.#options;
    const layout = new MemoryLayout(this.core.memory.size);
    const commandLine = append === '' ? kernelName : `${kernelName} ${append}`;
    const rsdp = flat ? undefined : writeAcpi(this.core.memory, layout, 1);
    const state = loadImage(this.core.memory, layout, kernel, { commandLine, append, modules, flat, rsdp });
    enter(this.core, layout, state);
  }

  #end(outcome: Outcome): void {
    this.#ending ??= outcome;
    this.#cutSlice();
  }

  #cutSlice(): void {
    if (this.#insideCore) this.core.requestStop();
  }

  #poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  #input(): Promise<void> {
    if (this.#poked) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = Number.isFinite(this.#sleepMs) ? setTimeout(() => this.#wake?.(), this.#sleepMs) : undefined;
      this.#wake = () => {
        this.#wake = null;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
