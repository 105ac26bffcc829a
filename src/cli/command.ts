/**
 * The command as a function: arguments in, exit code out. A first word without a dash names a sub-command. What is only
 * needed for a guest is loaded for a guest.
 */
import type { CliHost } from './process.ts';
import { type Question, questionIn } from './questions.ts';
import type { MachineExtras } from './session.ts';
import { VERSION } from './version.ts';

/** Runs `vmlaunch` with `args`. Whatever goes wrong is one line on the error output and an exit code of 1. */
export async function command(args: readonly string[], host: CliHost, extras?: MachineExtras): Promise<number> {
  const [first = '', ...rest] = args;
  if (first === 'vectors') return (await import('../recorded/cli.ts')).main(rest);
  try {
    const question = questionIn(first) ?? (await (await import('./boot.ts')).boot(args, host, extras));
    if (typeof question === 'number') return question;
    host.out(await answer(question));
    return 0;
  } catch (error) {
    host.error(`vmlaunch: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

async function answer(question: Question): Promise<string> {
  return question === 'version' ? `vmlaunch ${VERSION}\n` : (await import('./help.ts')).HELP;
}
