/** Where consoles go: -serial, -debugcon, -monitor and -parallel. */
import type { RunOptions, Sink } from './run-options.ts';
import { UsageError } from './usage-error.ts';

const CONSOLE_OFF = ['none', 'null'];
/** QEMU's other ends of a console, and what comes nearest. */
const NOT_HERE: readonly (readonly [string, string])[] = [
  ['pty', 'there are no pseudo-terminals; stdio and file:PATH are possible'],
  ['tcp:', 'there is no console over TCP yet; stdio is possible, behind a tool such as socat'],
  ['telnet:', 'there is no console over TCP yet; stdio is possible, behind a tool such as socat'],
  ['unix:', 'there is no console over a socket yet; stdio is possible, behind a tool such as socat'],
  ['vc', 'there is no window to show a console in; stdio is possible'],
  ['chardev:', 'a serial port of its own: stdio and file:PATH are possible; virtconsole takes a chardev'],
];

/** Where a console goes. Throws UsageError with what is possible. */
export function parseSink(options: RunOptions, option: string, value: string): Sink {
  if (value === 'mon:stdio') options.notes.push(`-${option} mon:stdio: there is no monitor; Ctrl-A x leaves`);
  if (value === 'stdio' || value === 'mon:stdio') return { kind: 'stdio' };
  if (CONSOLE_OFF.includes(value)) return { kind: 'none' };
  if (value.startsWith('file:') && value.length > 5) return { kind: 'file', path: value.slice(5) };
  const nearest = NOT_HERE.find(([prefix]) => value.startsWith(prefix));
  if (nearest) throw new UsageError(`-${option} ${value}: ${nearest[1]}`);
  throw new UsageError(`-${option} ${value}: there are stdio, none and file:PATH`);
}
