/** The PC: processors, their board and an image to boot. */
import type { Core } from '../core/types.ts';
import { Board } from './board/board.ts';
import { PcBus } from './board/bus.ts';
import { checkCount, checkInput, checkLimits } from './check-options.ts';
import { MachineEmitter, type MachineEvents, type Outcome } from './events.ts';
import type { Boot } from './firmware/boot.ts';
import type { BalloonControl } from './host/balloon-control.ts';
import { ConsoleBuffer } from './host/console-buffer.ts';
import { GuestLinks } from './host/guest-links.ts';
import type { GuestPort } from './host/guest-port.ts';
import { Keyboard, Mouse } from './host/input.ts';
import { Screen } from './host/screen.ts';
import type { VsockHub } from './host/vsock-hub.ts';
import { dateAt, type MachineOptions } from './options.ts';
import { planMachine } from './plan.ts';
import { Exits } from './run/exits.ts';
import { addProcessors, processorWires } from './run/processors.ts';
import { makeReport, type Report } from './run/report.ts';
import { RoundRobin } from './run/round-robin.ts';
import { type RunLimits, RunLoop } from './run/run-loop.ts';
import type { InputEntry } from './state/host-input.ts';
import { loadMachine, type MachineState, saveMachine } from './state/machine-state.ts';
import { randomFor } from './state/random.ts';

interface MachineParts {
  cores: readonly Core[];
  events: MachineEmitter;
  exits: Exits;
  loop: RunLoop;
  links: GuestLinks;
  board: Board;
  boot: Boot;
}

export class Machine {
  /** The bootstrap processor. */
  readonly core: Core;
  /** All processors. */
  readonly cores: readonly Core[];
  readonly keyboard: Keyboard;
  readonly mouse: Mouse;
  readonly screen: Screen;
  readonly #events: MachineEmitter;
  readonly #exits: Exits;
  readonly #loop: RunLoop;
  readonly #links: GuestLinks;
  readonly #board: Board;
  readonly #boot: Boot;
  readonly #type: (port: number, bytes: Uint8Array) => void;
  readonly #press: () => boolean;

  /** Makes a machine and loads its kernel. Throws RangeError or ImageError where that is not possible. */
  static async create(options: MachineOptions): Promise<Machine> {
    const plan = await planMachine(options);
    const { boot } = plan;
    const cores: Core[] = [];
    const turns = new RoundRobin(cores);
    const spend = (ns: number): void => turns.spend(ns);
    const bus = new PcBus(spend);
    await addProcessors(cores, plan, bus);
    const events = new MachineEmitter();
    const output = new ConsoleBuffer((text, info) => events.emit('console', text, info));
    const exits = new Exits(cores, bus, options, (...exit) => events.emit('vmexit', ...exit));
    const loop = new RunLoop({ turns, exits, console: output, options });
    const now = (): number => dateAt(options, loop.clock.now());
    const links = new GuestLinks(loop.hostWork, randomFor(options), options.folders, now, loop.input);
    const board = new Board({
      ...processorWires(cores),
      ...plan,
      cores,
      bus,
      spend,
      links,
      clock: loop.clock,
      work: loop.work,
      host: loop.hostWork,
      doors: loop.input,
      ramBytes: plan.memoryBytes,
      commandLine: options.append ?? '',
      firmware: options,
      rom: boot.rom,
      backends: options,
      date: dateAt(options),
      msi: (address, data) => {
        cores[0].deliverMsi(address, data);
        loop.wake();
      },
      ioapic: (pin, level) => {
        cores[0].setIoapicPin(pin, level);
        loop.wake();
      },
      busy: (work) => loop.busy(work),
      log: (line) => events.emit('log', line),
      output: (source, byte) => output.add(source, byte),
      end: (outcome) => loop.end(outcome),
    });
    boot.load(cores[0], board);
    return new Machine({ cores, events, exits, loop, links, board, boot });
  }

  private constructor({ cores, events, exits, loop, links, board, boot }: MachineParts) {
    this.core = cores[0];
    this.cores = cores;
    this.keyboard = new Keyboard(() => board.i8042, loop.input);
    this.mouse = new Mouse(() => board.i8042, loop.input);
    this.screen = new Screen(() => board.display);
    this.#events = events;
    this.#exits = exits;
    this.#loop = loop;
    this.#links = links;
    this.#board = board;
    this.#boot = boot;
    this.#type = loop.input.door('serial', (port: number, bytes: Uint8Array) => {
      board.send(port, bytes);
      loop.poke();
    });
    this.#press = loop.input.door('power-button', () => {
      const isHeard = board.pressPowerButton();
      loop.poke();
      return isHeard;
    });
  }

  /** Adds a listener and returns the function that removes it. Throws RangeError for an event that there is not. */
  on<Name extends keyof MachineEvents>(name: Name, listener: MachineEvents[Name]): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Runs until the guest ends, `stop` is called, `instructions` more are retired or `exit` happens; the event loop gets
   * turns. Throws where the machine runs already.
   */
  async run(limits: RunLimits = {}): Promise<Outcome> {
    checkLimits(limits);
    const outcome = await this.#loop.run(limits, (cause) => this.#restart(cause));
    this.#events.emit('exit', outcome);
    return outcome;
  }

  /** Ends the current run with the outcome 'stopped'; without one it does nothing. */
  stop(): void {
    this.#loop.stop();
  }

  /**
   * Executes `count` instructions at once, events included; fewer where a thousand events or faults in a row led to none.
   * Returns the outcome where the guest ended.
   */
  step(count = 1): Outcome | null {
    checkCount(count);
    return this.#loop.step(count, (cause) => this.#restart(cause));
  }

  /** Types into a serial port. Text is sent as UTF-8. */
  send(input: string | Uint8Array, port = 0): void {
    checkInput(input);
    this.#type(port, typeof input === 'string' ? new TextEncoder().encode(input) : input);
  }

  /** Presses the ACPI power button: the guest is asked to turn itself off. Returns whether it wants to hear of that. */
  powerButton(): boolean {
    return this.#press();
  }

  /**
   * What the device with this `id` may be driven by: for a virtio device its object, undefined for most others. A reset
   * makes devices anew: not to be kept.
   */
  device(id: string): object | undefined {
    return this.#board.device(id);
  }

  /** The host's end of the port of a virtserialport, or of a virtconsole ('hvc0' where it has no name). Throws RangeError. */
  port(name: string): GuestPort {
    return this.#links.port(name);
  }

  /** How much memory the guest keeps. */
  get balloon(): BalloonControl {
    return this.#links.balloon;
  }

  /** Sockets between guest and host. */
  get vsock(): VsockHub {
    return this.#links.vsock;
  }

  /** Nobody will type any more: a guest that only waits for input has halted. */
  closeInput(): void {
    this.#loop.closeInput();
  }

  /**
   * Everything of the machine that a guest can tell apart, between two runs. Waits for backends that are at work. Throws
   * Error where a device of the embedder's has no state, and where the machine runs.
   */
  async save(): Promise<MachineState> {
    await this.#loop.quiesce();
    return saveMachine({ cores: this.cores, board: this.#board, loop: this.#loop });
  }

  /** Goes on from what a machine with the same options gave. Throws Error where it does not fit. */
  load(state: MachineState): void {
    loadMachine({ cores: this.cores, board: this.#board, loop: this.#loop }, state);
  }

  /** Everything that reaches the machine from outside, from now on; null ends that. */
  record(listener: ((entry: InputEntry) => void) | null): void {
    this.#loop.input.record(listener);
  }

  /** What happened at the making of the machine that its owner may want to know. */
  get notes(): readonly string[] {
    return this.#boot.notes;
  }

  /** The numbers of all runs so far. */
  get report(): Report {
    return makeReport(this.#loop.figures, this.#exits, this.#board.bus, this.balloon);
  }

  #restart(cause: 'shutdown' | 'reset'): void {
    this.#board.reset();
    this.#boot.load(this.core, this.#board);
    this.#events.emit('reboot', cause);
  }
}
