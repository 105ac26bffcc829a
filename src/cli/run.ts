/** Boots a guest for the command line: files in, consoles out, an exit code at the end. */
import type { Outcome } from '../machine/events.ts';
import { closeAll } from './close-all.ts';
import { withoutTwoTerminals } from './consoles.ts';
import { demo } from './demo.ts';
import { exitCode, report } from './ending.ts';
import { Interrupts } from './interrupts.ts';
import type { RunOptions } from './options.ts';
import type { CliHost } from './process.ts';
import { type MachineExtras, openSession, type Session } from './session.ts';

/** Runs the guest and returns the exit code of the process. Throws if the machine cannot be made. */
export async function runGuest(asked: RunOptions, host: CliHost, extras: MachineExtras = {}): Promise<number> {
  const options = withoutTwoTerminals(namesNothingToRun(asked) ? demo(asked) : asked);
  const interrupts = new Interrupts(host);
  const ends: (() => void | Promise<void>)[] = [() => interrupts.close()];
  let code = 1;
  const failed: (() => void)[] = [];
  try {
    const session = await openSession(options, { host, extras, ends });
    const outcome = await run(session, options, interrupts);
    report(session, options, outcome, interrupts, host);
    code = exitCode(outcome, options, interrupts);
  } catch (error) {
    failed.push(() => {
      throw error;
    });
  }
  await closeAll([...failed, ...ends.reverse()]);
  return code;
}

function namesNothingToRun({ kernel, flat, firmware: { bios }, devices }: RunOptions): boolean {
  const hasDisk = devices.some((device) => 'drive' in device);
  return !hasDisk && [kernel, flat, bios].every((image) => image === undefined);
}

async function run({ machine, listen }: Session, options: RunOptions, interrupts: Interrupts): Promise<Outcome> {
  const stopListening = listen();
  interrupts.watch(machine);
  try {
    if (interrupts.happened) return { reason: 'stopped' };
    return await machine.run({ instructions: options.limit, exit: options.exit });
  } finally {
    stopListening();
  }
}
