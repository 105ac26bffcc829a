/** What a user sees when the guest comes to a bad end: its last words on the console, and its registers. */
import { GPRS, type RegisterName } from '../core/types.ts';
import type { Core, Outcome } from '../index.ts';

const KEPT_LINES = 200;
/** Of a line, its end: a guest may never write a newline. */
const KEPT_LETTERS = 2048;
/** Of a panic: as much as Linux prints before its registers and its call trace. */
const SHOWN_LINES = 24;
const LINES_BEFORE = 3;
const PANIC = /kernel panic|panic: /i;
const CONTROL: readonly RegisterName[] = ['rip', 'rflags', 'cr0', 'cr2', 'cr3', 'cr4'];
const PER_LINE = 4;

export class CrashWatch {
  readonly #lines: string[] = [''];

  /** Takes console output as it comes. */
  hear(text: string): void {
    const [first, ...rest] = text.replaceAll('\r', '').split('\n');
    this.#lines[this.#lines.length - 1] = (this.#lines[this.#lines.length - 1] + first).slice(-KEPT_LETTERS);
    this.#lines.push(...rest.map((line) => line.slice(-KEPT_LETTERS)));
    if (this.#lines.length > KEPT_LINES) this.#lines.splice(0, this.#lines.length - KEPT_LINES);
  }

  /** Letters that are kept. */
  get size(): number {
    return this.#lines.reduce((sum, line) => sum + line.length, 0);
  }

  /** The report if `outcome` is a crash; undefined for ends that are none. */
  report(outcome: Outcome, cores: readonly Core[]): string | undefined {
    const panic = this.#lines.findLastIndex((line) => PANIC.test(line));
    const isEnd = outcome.reason === 'reset' || outcome.reason === 'shutdown';
    if (outcome.reason !== 'panicked' && !(isEnd && panic >= 0)) return undefined;
    const why = panic >= 0 ? `: ${this.#lines[panic].replace(/^\[[ \d.]+\] /, '')}` : '';
    const from = panic >= 0 ? Math.max(0, panic - LINES_BEFORE) : -SHOWN_LINES;
    const words = this.#lines.slice(from).filter((line) => line.trim() !== '');
    return [
      `vmlaunch: the guest panicked${why}`,
      ...(words.length > 0 ? ['its last words:', ...words.slice(0, SHOWN_LINES).map((line) => `  ${line}`)] : []),
      ...cores.flatMap((core, cpu) => [`registers of processor ${cpu}:`, ...registers(core)]),
    ].join('\n');
  }
}

function registers(core: Core): string[] {
  const names: RegisterName[] = [...CONTROL, ...GPRS];
  const shown = names.map((name) => `${name.padEnd(6)} ${core.get(name).toString(16).padStart(16, '0')}`);
  return Array.from({ length: Math.ceil(shown.length / PER_LINE) }, (_, row) =>
    `  ${shown.slice(row * PER_LINE, (row + 1) * PER_LINE).join('  ')}`.trimEnd(),
  );
}
