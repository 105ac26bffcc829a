/** What a machine in a Worker and its owner outside say to each other. All of it can be cloned. */
import type { MachineEvents, MachineOptions } from '../index.ts';
import type { CallName } from './calls.ts';

/** What would not survive the way into a Worker: functions, and objects with methods. */
type StaysOutside = 'chardevs' | 'createCore' | 'drives' | 'folders' | 'netdevs' | 'tracer';

/** Options of a machine in a Worker; a device of `type: 'custom'` stays outside too. */
export type WorkerMachineOptions = Omit<MachineOptions, StaysOutside>;

export type ToThread =
  | { type: 'create'; id: number; options: WorkerMachineOptions }
  | { type: 'call'; id: number; name: CallName; args: readonly unknown[] };

export type FromThread =
  | { type: 'answer'; id: number; value: unknown }
  | { type: 'failure'; id: number; error: PlainError }
  | { type: 'event'; name: keyof MachineEvents; args: unknown[] };

/** An error as it travels. */
export interface PlainError {
  name: string;
  message: string;
  code?: string;
  stack?: string;
}

/** Either end of the line. */
export interface Port {
  post(message: ToThread): void;
  /** Calls one of these from now on: with what comes, or with what the Worker could not be started for. */
  listen(hear: (message: FromThread) => void, fail: (message: string) => void): void;
  close(): void;
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  return { name, message, stack, code: (error as { code?: string }).code };
}

/** The error of the other end: of the same class where that is one of JavaScript's, with the same name and code. */
export function revivedError({ name, message, code, stack }: PlainError): Error {
  const made =
    name === 'RangeError'
      ? new RangeError(message)
      : name === 'TypeError'
        ? new TypeError(message)
        : new Error(message);
  return Object.assign(made, { name, stack }, code === undefined ? {} : { code });
}
