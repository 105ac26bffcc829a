/** The part of the command that needs a machine: sub-commands that boot a guest, and what can be asked about devices. */
import { cpuHelp } from './cpu-help.ts';
import { parseCommandLine, type RunOptions } from './options.ts';
import type { CliHost } from './process.ts';
import type { Question } from './questions.ts';
import { runGuest } from './run.ts';
import type { MachineExtras } from './session.ts';

/** Sub-commands that boot a guest as without them, and do something more. */
const SUB_COMMANDS: Readonly<Partial<Record<string, (options: RunOptions) => void>>> = {
  stat: (options) => {
    options.stat = true;
  },
  vmcs: (options) => {
    options.vmcs = true;
  },
  trace: (options) => {
    options.trace = [...options.trace, 'vmexit'];
  },
};

/** Returns the exit code, or the question that `args` turned out to be. Throws what is to be told to the user. */
export async function boot(args: readonly string[], host: CliHost, extras?: MachineExtras): Promise<number | Question> {
  const sub = SUB_COMMANDS[args[0]];
  const parsed = parseCommandLine(sub ? args.slice(1) : args);
  if (sub && parsed.kind === 'run') sub(parsed.options);
  switch (parsed.kind) {
    case 'help':
    case 'version':
      return parsed.kind;
    case 'cpu-help':
      host.out(cpuHelp());
      return 0;
    case 'device-help':
      host.out(parsed.text);
      return 0;
    case 'run':
      return runGuest(parsed.options, host, extras);
  }
}
