/** Boots a guest for the command line: files in, consoles out, an exit code at the end. */
import type { Outcome } from '../machine/events.ts';
import { closeAll } from './close-all.ts';
import { withoutTwoTerminals } from './consoles.ts';
import { demo } from './demo.ts';
import { type Cut, exitCode, report } from './ending.ts';
import { FaultWatch } from './fault-watch.ts';
import { Interrupts } from './interrupts.ts';
import type { CliHost } from './process.ts';
import type { RunOptions } from './run-options.ts';
import { type MachineExtras, openSession, type Session } from './session.ts';
import { UsageError } from './usage-error.ts';

const MS_PER_SECOND = 1000;

/** Runs the guest and returns the exit code of the process. Throws if the machine cannot be made. */
export async function runGuest(asked: RunOptions, host: CliHost, extras: MachineExtras = {}): Promise<number> {
  const options = withoutTwoTerminals(namesNothingToRun(asked) ? demo(asked) : asked);
  const interrupts = new Interrupts(host);
  const ends: (() => void | Promise<void>)[] = [() => interrupts.close()];
  let code = 1;
  const failed: (() => void)[] = [];
  try {
    const session = await openSession(options, { host, extras, ends });
    const { outcome, cut } = await run(session, options, interrupts, host);
    await report(session, options, { outcome, cut, interrupts }, host);
    code = exitCode(options, { outcome, cut, interrupts });
  } catch (error) {
    failed.push(() => {
      throw error;
    });
  }
  await closeAll([...failed, ...ends.reverse()]);
  return code;
}

/** Throws UsageError if something was asked of a guest, but none named. */
function namesNothingToRun(options: RunOptions): boolean {
  const { kernel, flat, firmware, devices, backends, serial, screenshot, curses } = options;
  const hasDisk = devices.some((device) => 'drive' in device);
  if (hasDisk || [kernel, flat, firmware.bios].some((image) => image !== undefined)) return false;
  const isAsked = devices.length + backends.length + serial.length > 0 || screenshot !== undefined || curses;
  if (!isAsked) return true;
  throw new UsageError(
    'there is nothing to boot: -kernel FILE, -hda FILE, -bios FILE or -device loader,file=FILE,addr=ADDRESS name it',
  );
}

interface Run {
  outcome: Outcome;
  /** What ended the run from here, not from the guest. */
  cut: Cut | null;
}

async function run(
  { machine, listen }: Session,
  options: RunOptions,
  interrupts: Interrupts,
  host: CliHost,
): Promise<Run> {
  const stopListening = listen();
  interrupts.watch(machine);
  const faults = new FaultWatch(machine, (line) => host.error(`vmlaunch: ${line}\n`));
  let isLate = false;
  const timer =
    options.timeout === undefined
      ? undefined
      : setTimeout(() => {
          isLate = true;
          machine.stop();
        }, options.timeout * MS_PER_SECOND);
  try {
    if (interrupts.happened) return { outcome: { reason: 'stopped' }, cut: null };
    const outcome = await machine.run({ instructions: options.limit, exit: options.exit });
    return { outcome, cut: faults.isHopeless ? 'faults' : isLate ? 'timeout' : null };
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}
