/** The end of a run: what is said of it, and the exit code of the process. */
import type { Outcome } from '../machine/events.ts';
import type { Machine } from '../machine/machine.ts';
import { formatReport } from '../machine/run/report.ts';
import type { Interrupts } from './interrupts.ts';
import type { RunOptions } from './options.ts';
import type { CliHost } from './process.ts';
import type { Session } from './session.ts';
import { exitLine, failureLine, statTables, vmcsDump, vmcsLine } from './vmexits.ts';

const OUTCOME_TEXT: Partial<Record<Outcome['reason'], string>> = {
  halted: 'the guest halted with nothing to wake it',
  shutdown: 'the guest triple-faulted',
  limit: 'the limit of instructions is reached',
};

/** Prints the tables that were asked for, and says on the error output how the run ended. */
export function report(
  { machine, stdio, crash }: Session,
  options: RunOptions,
  outcome: Outcome,
  interrupts: Interrupts,
  host: CliHost,
): void {
  const line = (text: string): string => `${stdio.isMidLine() ? '\n' : ''}${text}\n`;
  const tables = tablesOf(machine, options);
  const text = interrupts.text ?? outcomeText(outcome, options);
  const said = crash.report(outcome, machine.cores) ?? (text && `vmlaunch: ${text}`);
  if (tables.length > 0) stdio.write(line(`\n${tables.join('\n\n')}`));
  const last = [...(said ? [said] : []), ...(options.report ? [formatReport(machine.report)] : [])];
  if (last.length > 0) host.error(line(last.join('\n')));
}

/** The tables of `stat` and of `vmcs`. */
function tablesOf({ report: { exits }, cores }: Machine, { stat, vmcs, json }: RunOptions): string[] {
  const current = json ? vmcsLine : vmcsDump;
  return [
    ...(stat ? [json ? JSON.stringify({ exits }) : statTables(exits, cores.length)] : []),
    ...(vmcs ? cores.map(({ vmx }, cpu) => current(vmx?.vmcs() ?? null, cpu)) : []),
  ];
}

function outcomeText(outcome: Outcome, { exit }: RunOptions): string | undefined {
  if (outcome.reason === 'vmexit') {
    const { record, cpu } = outcome;
    return `stopped at ${record.failure ? failureLine(record) : exitLine(record, cpu)}`;
  }
  const text = OUTCOME_TEXT[outcome.reason];
  return exit ? `${text ?? 'the guest ended'}; the exit to break at did not come` : text;
}

/** As QEMU's isa-debug-exit has it; the demo's success is a success. Throws the error that ended the run, if one did. */
export function exitCode(outcome: Outcome, { isDemo }: RunOptions, interrupts: Interrupts): number {
  const { exitCode } = interrupts;
  if (exitCode !== undefined) return exitCode;
  if (outcome.reason === 'panicked') return 1;
  if (outcome.reason !== 'debug-exit' || (isDemo && outcome.code === 0)) return 0;
  return ((outcome.code << 1) | 1) & 0xff;
}
