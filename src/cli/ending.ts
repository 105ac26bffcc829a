/** The end of a run: what is said of it, and the exit code of the process. */
import type { Outcome } from '../machine/events.ts';
import { encodePicture } from '../machine/host/picture-file.ts';
import type { Machine } from '../machine/machine.ts';
import { formatReport } from '../machine/run/report.ts';
import type { Interrupts } from './interrupts.ts';
import type { CliHost } from './process.ts';
import type { RunOptions } from './run-options.ts';
import type { Session } from './session.ts';
import { exitLine, failureLine, statTables, vmcsDump, vmcsLine } from './vmexits.ts';

/** What ended a run from here: too much time, or too many triple faults. */
export type Cut = 'timeout' | 'faults';

export interface Ending {
  outcome: Outcome;
  cut: Cut | null;
  interrupts: Interrupts;
}

/** Exit codes besides 0, 1 and those of isa-debug-exit, which are odd: even ones, as `--help` lists them. */
export const ExitCode = { HALTED: 100, TRIPLE_FAULT: 102, LIMIT: 104, NO_BREAK: 106, TIMEOUT: 124 } as const;

/** Prints the tables that were asked for, and says on the error output how the run ended. */
export async function report(
  { machine, stdio, crash }: Session,
  options: RunOptions,
  ending: Ending,
  host: CliHost,
): Promise<void> {
  const line = (text: string): string => `${stdio.isMidLine() ? '\n' : ''}${text}\n`;
  if (options.screenshot !== undefined) {
    writeAll(host, options.screenshot, await encodePicture(machine.screen.frame(), options.screenshot));
  }
  const tables = tablesOf(machine, options);
  const text = ending.interrupts.text ?? endingText(ending, options);
  const said = crash.report(ending.outcome, machine.cores) ?? (text && `vmlaunch: ${text}`);
  if (tables.length > 0) {
    if (options.jsonFile === undefined) stdio.write(line(`\n${tables.join('\n\n')}`));
    else writeAll(host, options.jsonFile, `${tables.join('\n')}\n`);
  }
  const last = [...(said ? [said] : []), ...(options.report ? [formatReport(machine.report)] : [])];
  if (last.length > 0) host.error(line(last.join('\n')));
}

function writeAll(host: CliHost, path: string, content: Uint8Array | string): void {
  const file = host.openFile(path);
  file.write(content);
  file.close();
}

/** The tables of `stat` and of `vmcs`. */
function tablesOf({ report: { exits }, cores }: Machine, { stat, vmcs, json }: RunOptions): string[] {
  const current = json ? vmcsLine : vmcsDump;
  return [
    ...(stat ? [json ? JSON.stringify({ exits }) : statTables(exits, cores.length)] : []),
    ...(vmcs ? cores.map(({ vmx }, cpu) => current(vmx?.vmcs() ?? null, cpu)) : []),
  ];
}

function endingText({ outcome, cut }: Ending, { exit, timeout }: RunOptions): string | undefined {
  if (outcome.reason === 'vmexit') {
    const { record, cpu } = outcome;
    return `stopped at ${record.failure ? failureLine(record) : exitLine(record, cpu)}`;
  }
  const text = cut === 'timeout' ? `ended after ${timeout} seconds` : cut === null ? outcomeText(outcome) : undefined;
  return exit ? `${text ?? 'the guest ended'}; the exit to break at did not come` : text;
}

function outcomeText(outcome: Outcome): string | undefined {
  switch (outcome.reason) {
    case 'halted':
      return 'the guest halted with nothing to wake it';
    case 'shutdown':
      return `the guest triple-faulted${outcome.rip === undefined ? '' : ` at RIP 0x${outcome.rip.toString(16)}`}`;
    case 'limit':
      return 'the limit of instructions is reached';
    default:
      return undefined;
  }
}

/** Throws the error that ended the run, if one did. The demo's success is a success. */
export function exitCode({ isDemo, exit }: RunOptions, { outcome, cut, interrupts }: Ending): number {
  if (interrupts.exitCode !== undefined) return interrupts.exitCode;
  if (cut !== null) return cut === 'timeout' ? ExitCode.TIMEOUT : ExitCode.TRIPLE_FAULT;
  if (outcome.reason === 'debug-exit') return isDemo && outcome.code === 0 ? 0 : ((outcome.code << 1) | 1) & 0xff;
  if (outcome.reason === 'panicked') return 1;
  if (exit && outcome.reason !== 'vmexit') return ExitCode.NO_BREAK;
  if (outcome.reason === 'halted') return ExitCode.HALTED;
  if (outcome.reason === 'shutdown') return ExitCode.TRIPLE_FAULT;
  return outcome.reason === 'limit' ? ExitCode.LIMIT : 0;
}
