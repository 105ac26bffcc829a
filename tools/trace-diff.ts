/**
 * Finds the first difference of two traces (`vmlaunch -d in_asm,int,exec -D FILE`) and shows it with what came before.
 *
 *   tsx tools/trace-diff.ts LEFT RIGHT [CONTEXT-LINES]
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

export interface Difference {
  /** Number of the line, from 1. */
  line: number;
  /** Equal lines before it, oldest first. */
  before: string[];
  /** The lines themselves; null where a trace has ended. */
  left: string | null;
  right: string | null;
}

const DEFAULT_CONTEXT = 10;

/** Compares line by line and keeps `context` equal lines; null where the traces are equal to their ends. */
export async function firstDifference(
  left: AsyncIterable<string>,
  right: AsyncIterable<string>,
  context = DEFAULT_CONTEXT,
): Promise<Difference | null> {
  const [a, b] = [left[Symbol.asyncIterator](), right[Symbol.asyncIterator]()];
  const before: string[] = [];
  for (let line = 1; ; line++) {
    const [l, r] = await Promise.all([a.next(), b.next()]);
    if (l.done && r.done) return null;
    if (l.done || r.done || l.value !== r.value) {
      return { line, before, left: l.done ? null : l.value, right: r.done ? null : r.value };
    }
    before.push(l.value);
    if (before.length > context) before.shift();
  }
}

/** The difference as text: equal lines indented, then a line for each side. */
export function formatDifference({ line, before, left, right }: Difference): string {
  const side = (mark: string, text: string | null): string => `${mark} ${text ?? '(end of the trace)'}`;
  return [`line ${line}:`, ...before.map((text) => `  ${text}`), side('<', left), side('>', right)].join('\n');
}

const lines = (path: string): AsyncIterable<string> => createInterface({ input: createReadStream(path) });

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [left, right, context] = process.argv.slice(2);
  if (!left || !right) {
    console.error('usage: tsx tools/trace-diff.ts LEFT RIGHT [CONTEXT-LINES]');
    process.exit(2);
  }
  const difference = await firstDifference(lines(left), lines(right), context ? Number(context) : DEFAULT_CONTEXT);
  console.log(difference ? formatDifference(difference) : 'the traces are equal');
  process.exitCode = difference ? 1 : 0;
}
