/** A machine in a Worker, from outside: the same words as `Machine`, each with a promise for its answer. */
import { MachineEmitter, type MachineEvents } from '../machine/events.ts';
import type { Answer, Arguments, CallName } from './calls.ts';
import { type FromThread, type Port, revivedError, type ToThread, type WorkerMachineOptions } from './protocol.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

type Asked = { [Type in ToThread['type']]: Omit<Extract<ToThread, { type: Type }>, 'id'> }[ToThread['type']];

export class RemoteMachine {
  readonly #events = new MachineEmitter();
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
    port.listen(
      (message) => this.#hear(message),
      (message) => this.#end(new Error(`the Worker failed: ${message}`)),
    );
  }

  /** Makes the machine in the Worker. Rejects as `Machine.create` does. */
  protected async make(options: WorkerMachineOptions): Promise<void> {
    try {
      await this.#ask({ type: 'create', options });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Adds a listener and returns the function that removes it. Throws RangeError for an event that there is not. */
  on<Name extends keyof MachineEvents>(name: Name, listener: MachineEvents[Name]): () => void {
    return this.#events.on(name, listener);
  }

  run(...limits: Arguments<'run'>): Promise<Answer<'run'>> {
    return this.#call('run', ...limits);
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
  close(): void {
    this.#end(new Error('the machine is closed'));
  }

  #call<Name extends CallName>(name: Name, ...args: Arguments<Name>): Promise<Answer<Name>> {
    return this.#ask({ type: 'call', name, args }) as Promise<Answer<Name>>;
  }

  #ask(message: Asked): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new Error('the machine is closed'));
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

  #end(error: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#port.close();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
