/** The command as a function: arguments in, exit code out. A first word without a dash names a sub-command. */
import { cpuHelp, HELP } from './help.ts';
import type { CliHost } from './host.ts';
import { parseCommandLine, type RunOptions } from './options.ts';
import { type MachineExtras, runGuest } from './run.ts';
import { VERSION } from './version.ts';

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

/** Runs `vmlaunch` with `args`. Whatever goes wrong is one line on the error output and an exit code of 1. */
export async function command(args: readonly string[], host: CliHost, extras?: MachineExtras): Promise<number> {
  if (args[0] === 'vectors') return (await import('../vectors/cli.ts')).main(args.slice(1));
  try {
    const sub = SUB_COMMANDS[args[0]];
    const parsed = parseCommandLine(sub ? args.slice(1) : args);
    if (sub && parsed.kind === 'run') sub(parsed.options);
    switch (parsed.kind) {
      case 'help':
        host.out(HELP);
        return 0;
      case 'version':
        host.out(`vmlaunch ${VERSION}\n`);
        return 0;
      case 'cpu-help':
        host.out(cpuHelp());
        return 0;
      case 'device-help':
        host.out(parsed.text);
        return 0;
      case 'run':
        return await runGuest(parsed.options, host, extras);
    }
  } catch (error) {
    host.error(`vmlaunch: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}
