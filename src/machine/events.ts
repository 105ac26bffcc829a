/** What a machine tells its embedder while it runs, by typed events. */

import { check, isFunction, OptionError, suggest } from '../checks.ts';
import type { ExitRecord } from '../core/vmx-types.ts';

/** How a run ended. */
export type Outcome =
  /** HLT with no interrupt that could ever come. */
  | { reason: 'halted' }
  /** isa-debug-exit; `code` is the value written. */
  | { reason: 'debug-exit'; code: number }
  /** Triple fault. */
  | { reason: 'shutdown'; rip?: bigint }
  /** The guest asked for a reset. */
  | { reason: 'reset' }
  | { reason: 'powered-off' }
  /** The guest's kernel said, by pvpanic, that it cannot go on. */
  | { reason: 'panicked' }
  /** Somebody called `stop`; `run` may be called again. */
  | { reason: 'stopped' }
  /** The limit given to `run` is reached; `run` may be called again. */
  | { reason: 'limit' }
  /** The exit to break at that was given to `run`; `run` may be called again. */
  | { reason: 'vmexit'; record: ExitRecord; cpu: number };

/** Where console output came from: a serial port by its number, or port 0xe9. */
export type ConsoleSource = 'serial0' | 'serial1' | 'serial2' | 'serial3' | 'debugcon';

export interface ConsoleInfo {
  source: ConsoleSource;
  /** The bytes that `text` was decoded from. */
  bytes: Uint8Array;
}

export interface MachineEvents {
  /** Guest output, gathered over a slice and decoded as UTF-8. */
  console: (text: string, info: ConsoleInfo) => void;
  /** A run ended. */
  exit: (outcome: Outcome) => void;
  /** A VM exit of a guest hypervisor's guest, where `recordExits` asks for it; and always a VM entry that failed. */
  vmexit: (record: ExitRecord, cpu: number) => void;
  /** The machine was reset and starts over; after a triple fault `rip` is where it happened. */
  reboot: (cause: 'shutdown' | 'reset', rip?: bigint) => void;
  /** A line for people about what went wrong in a device: a driver that broke a rule, a backend that failed. */
  log: (line: string) => void;
}

/** A minimal typed emitter: listeners run in the order they were added. */
export class Emitter<Events extends { [Name in keyof Events]: (...args: never[]) => void }> {
  readonly #names: readonly (keyof Events & string)[];
  readonly #listeners = new Map<keyof Events, Set<(...args: never[]) => void>>();

  constructor(names: readonly (keyof Events & string)[]) {
    this.#names = names;
  }

  /** Adds a listener and returns the function that removes it. Throws OptionError for an event that there is not. */
  on<Name extends keyof Events & string>(name: Name, listener: Events[Name]): () => void {
    if (!this.#names.includes(name))
      throw new OptionError(`there is no event '${name}'; ${suggest(name, this.#names)}`);
    check(`listener of '${name}'`, listener, isFunction);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /** Adds a listener for the next event of this name alone. Returns the function that removes it. */
  once<Name extends keyof Events & string>(name: Name, listener: Events[Name]): () => void {
    check(`listener of '${name}'`, listener, isFunction);
    const remove = this.on(name, ((...args: never[]) => {
      remove();
      listener(...args);
    }) as Events[Name]);
    return remove;
  }

  /** Removes a listener that `on` added. */
  off<Name extends keyof Events & string>(name: Name, listener: Events[Name]): void {
    this.#listeners.get(name)?.delete(listener);
  }

  protected emit<Name extends keyof Events>(name: Name, ...args: Parameters<Events[Name]>): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) (listener as (...all: typeof args) => void)(...args);
  }
}

/** Their names. */
export const MACHINE_EVENTS = ['console', 'exit', 'vmexit', 'reboot', 'log'] as const satisfies (keyof MachineEvents)[];

/** The events of a machine, for whoever has something to tell. */
export class MachineEmitter extends Emitter<MachineEvents> {
  constructor() {
    super(MACHINE_EVENTS);
  }

  override emit<Name extends keyof MachineEvents>(name: Name, ...args: Parameters<MachineEvents[Name]>): void {
    super.emit(name, ...args);
  }
}
