/**
 * Runs a whole vector file and counts.
 */
import type { VectorCase, VectorFile } from './reader.ts';
import type { VectorRunner } from './runner.ts';

export interface Failure {
  case: VectorCase;
  problems: string[];
}

export interface Selection {
  /** Only cases whose disassembly or form contains this. */
  grep?: string;
  /** At most so many cases. */
  limit?: number;
  /** Indices that are left out. */
  exclude?: ReadonlySet<number>;
  /** Whether a case is left out. */
  skip?: (c: VectorCase) => boolean;
  /** Whether what the files mask as undefined is compared too. */
  strict?: boolean;
}

export interface Tally {
  passed: number;
  failed: number;
  excluded: number;
}

/** Runs the selected cases of a file; `onFailure` sees each failure while its case is still valid. */
export function runFile(
  runner: VectorRunner,
  file: VectorFile,
  selection: Selection,
  onFailure: (f: Failure) => void,
): Tally {
  const tally: Tally = { passed: 0, failed: 0, excluded: 0 };
  const { grep, limit = Number.POSITIVE_INFINITY, exclude, skip, strict } = selection;
  for (const c of file.cases()) {
    if (tally.passed + tally.failed >= limit) break;
    if (grep !== undefined && !c.text.includes(grep) && !c.form.includes(grep)) continue;
    if (exclude?.has(c.index) || skip?.(c)) {
      tally.excluded++;
      continue;
    }
    const problems = runner.run(file, c, strict);
    if (problems.length === 0) {
      tally.passed++;
      continue;
    }
    tally.failed++;
    onFailure({ case: c, problems });
  }
  return tally;
}

/** A failure for people: the assembly, the bytes, then a line for each difference. */
export function describeFailure({ case: c, problems }: Failure): string {
  const bytes = Array.from(c.code, (b) => b.toString(16).padStart(2, '0')).join(' ');
  return [`#${c.index} ${c.text}  [${c.form}]  ${bytes}`, ...problems.map((p) => `    ${p}`)].join('\n');
}

/** Whether the group needs x87, MMX, SSE or AVX state. */
export function needsFpu(group: string): boolean {
  return !group.startsWith('int-') && group !== 'snippets';
}
