/** A machine in a Worker, from outside: the same words as `Machine`, each with a promise for its answer. */
import { type RunOptions, StateError, type WaitOptions } from '../index.ts';
import { MachineEmitter, type MachineEvents } from '../machine/events.ts';
import { gather } from '../machine/gather.ts';
import { throwIfAborted } from '../machine/host/byte-source.ts';
import { ConsoleWaiter } from '../machine/host/console-waiter.ts';
import type { Answer, Arguments, CallName } from './calls.ts';
import { type FromThread, type Port, revivedError, type ToThread, type WorkerMachineOptions } from './protocol.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

type Asked = { [Type in ToThread['type']]: Omit<Extract<ToThread, { type: Type }>, 'id'> }[ToThread['type']];

export class RemoteMachine {
  readonly #events = new MachineEmitter();
  readonly #waiter = new ConsoleWaiter();
  readonly #port: Port;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  readonly keyboard = {
    down: (code: string) => this.#call('keyDown', code),
    up: (code: string) => this.#call('keyUp', code),
    press: (...codes: string[]) => this.#call('keyPress', codes),
    type: (text: string) => this.#call('keyType', text),
    leds: () => this.#call('keyLeds'),
  };
  readonly mouse = {
    move: (x: number, y: number, wheel?: number) => this.#call('mouseMove', x, y, wheel),
    down: (button?: number) => this.#call('mouseDown', button),
    up: (button?: number) => this.#call('mouseUp', button),
  };
  readonly screen = {
    text: () => this.#call('screenText'),
    cells: () => this.#call('screenCells'),
    frame: () => this.#call('screenFrame'),
    /** Packed, for who draws it; null where it is as it was asked for last, unless `isFresh`. */
    picture: (isFresh?: boolean) => this.#call('screenPicture', isFresh),
  };

  protected constructor(port: Port) {
    this.#port = port;
    this.on('console', (text) => this.#waiter.hear(text));
    this.on('exit', ({ reason }) => this.#waiter.end(`the run ended (${reason})`));
    port.listen(
      (message) => this.#hear(message),
      (message) => this.#end(new StateError(`the Worker failed: ${message}`)),
    );
  }

  /** Makes the machine in the Worker. Rejects as `Machine.create` does. */
  protected async make(options: WorkerMachineOptions): Promise<void> {
    const abort = (): void => this.#end(options.signal?.reason);
    options.signal?.addEventListener('abort', abort);
    try {
      await this.#ask({ type: 'create', options: await gather(options) });
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  /** Adds a listener and returns the function that removes it. Throws RangeError for an event that there is not. */
  on<Name extends keyof MachineEvents>(name: Name, listener: MachineEvents[Name]): () => void {
    return this.#events.on(name, listener);
  }

  /** As `on`, for the next event alone. */
  once<Name extends keyof MachineEvents>(name: Name, listener: MachineEvents[Name]): () => void {
    return this.#events.once(name, listener);
  }

  /** Removes a listener. */
  off<Name extends keyof MachineEvents>(name: Name, listener: MachineEvents[Name]): void {
    this.#events.off(name, listener);
  }

  async run({ signal, ...limits }: RunOptions = {}): Promise<Answer<'run'>> {
    throwIfAborted(signal);
    const stop = (): void => void this.stop().catch(() => {});
    signal?.addEventListener('abort', stop);
    try {
      const outcome = await this.#call('run', limits);
      if (outcome.reason === 'stopped') throwIfAborted(signal);
      return outcome;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Waits for the guest to print what matches, as `Machine.waitFor`. */
  waitFor(pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    return this.#waiter.waitFor(pattern, options);
  }

  /** The screen as a PNG file. */
  screenshot(): Promise<Uint8Array> {
    return this.#call('screenshot');
  }

  /** A copy of physical memory. */
  readMemory(address: number, length: number): Promise<Uint8Array> {
    return this.#call('readMemory', address, length);
  }

  writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    return this.#call('writeMemory', address, bytes);
  }

  stop(): Promise<void> {
    return this.#call('stop');
  }

  step(count?: number): Promise<Answer<'step'>> {
    return this.#call('step', count);
  }

  /** Types into a serial port. Text is sent as UTF-8. */
  send(input: string | Uint8Array, port?: number): Promise<void> {
    return this.#call('send', input, port);
  }

  closeInput(): Promise<void> {
    return this.#call('closeInput');
  }

  powerButton(): Promise<boolean> {
    return this.#call('powerButton');
  }

  /** The numbers of all runs so far. */
  report(): Promise<Answer<'report'>> {
    return this.#call('report');
  }

  notes(): Promise<Answer<'notes'>> {
    return this.#call('notes');
  }

  /** Ends the Worker; what was asked and not answered is rejected. */
  async close(): Promise<void> {
    this.#end(new StateError('the machine is closed'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #call<Name extends CallName>(name: Name, ...args: Arguments<Name>): Promise<Answer<Name>> {
    return this.#ask({ type: 'call', name, args }) as Promise<Answer<Name>>;
  }

  #ask(message: Asked): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new StateError('the machine is closed'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      // Throws where something cannot be cloned.
      this.#port.post({ ...message, id } as ToThread);
      this.#waiting.set(id, { resolve, reject });
    });
  }

  #hear(message: FromThread): void {
    if (message.type === 'event') {
      this.#events.emit(message.name, ...(message.args as Parameters<MachineEvents[typeof message.name]>));
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'answer') waiting?.resolve(message.value);
    else waiting?.reject(revivedError(message.error));
  }

  #end(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#port.close();
    this.#waiter.end('the machine was closed');
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
