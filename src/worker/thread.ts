/** The end of the line inside the Worker: makes the machine, does what it is asked, and tells what happens. */
import { Machine, type MachineOptions } from '../index.ts';
import { MACHINE_EVENTS } from '../machine/events.ts';
import { CALLS, type CallName } from './calls.ts';
import { type FromThread, plainError, type ToThread } from './protocol.ts';

/** Returns what is to be called with each message. */
export function serveMachine(post: (message: FromThread) => void): (message: ToThread) => void {
  let machine: Machine | null = null;

  const create = async (options: MachineOptions): Promise<void> => {
    machine = await Machine.create(options);
    for (const name of MACHINE_EVENTS) machine.on(name, (...args: unknown[]) => post({ type: 'event', name, args }));
  };
  const call = async (name: CallName, args: readonly unknown[]): Promise<unknown> => {
    if (!machine) throw new Error('the machine is not made yet');
    return await (CALLS[name] as (machine: Machine, ...rest: readonly unknown[]) => unknown)(machine, ...args);
  };

  return (message) => {
    const { id } = message;
    const work = message.type === 'create' ? create(message.options) : call(message.name, message.args);
    work.then(
      (value) => post({ type: 'answer', id, value }),
      (error: unknown) => post({ type: 'failure', id, error: plainError(error) }),
    );
  };
}
