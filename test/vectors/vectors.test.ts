/**
 * Every recorded instruction vector that is at hand, on our processor: the committed subset always, and the whole set
 * where it lies beside the repository. A group that cannot pass yet is on the list below, and is called out by name.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../src/isa/decode.ts';
import { x87Rows } from '../../src/isa/opcodes-x87.ts';
import { createVectorRunner } from '../../src/vectors/create-runner.ts';
import { excludedIndices, parseExclusions } from '../../src/vectors/exclusions.ts';
import { type Mode, openVectors, type VectorCase } from '../../src/vectors/reader.ts';
import { describeFailure, runFile } from '../../src/vectors/run-file.ts';
import type { VectorRunner } from '../../src/vectors/runner.ts';
import { subsetOf } from '../../tools/vector-subset.ts';

/** Groups that are not run. */
const UNIMPLEMENTED = ['x87'];
/** Whether the x87 instructions among the faults are left out. */
const WITHOUT_X87_FAULTS = true;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SUBSET = here('./data');
const WHOLE = here('../../../shared/vectors/public');
const exclusions = parseExclusions(readFileSync(here('./amd-only.json'), 'utf8'), 'amd-only.json');

const TEN_MINUTES = 600_000;
const SHOWN_FAILURES = 5;

const groupOf = (path: string) => basename(path).replace(/-(32|64)\.vec\.gz$/, '');
const isRunnable = (path: string) => !UNIMPLEMENTED.includes(groupOf(path));

const x87RowSet = new Set(x87Rows);

function isX87Case(c: VectorCase, mode: Mode): boolean {
  const decoded = decode(c.code, { mode });
  return 'row' in decoded && x87RowSet.has(decoded.row);
}

function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.vec.gz'))
    .map((name) => join(folder, name));
}

let runner: VectorRunner;
beforeAll(async () => {
  runner = await createVectorRunner();
});

const sets = [{ title: 'the committed subset', folder: SUBSET, isWhole: false }];
if (existsSync(WHOLE)) sets.push({ title: 'the whole recording', folder: WHOLE, isWhole: true });

describe.each(sets)('$title', ({ title, folder, isWhole }) => {
  let [total, omitted] = [0, 0];
  const files = filesOf(folder);

  it.each(files.filter(isRunnable).map((path) => ({ name: basename(path), path })))(
    '$name: every instruction ends as on the real processor',
    ({ path }) => {
      const failures: string[] = [];
      const exclude = isWhole ? excludedIndices(exclusions, basename(path)) : new Set<number>();
      const file = openVectors(readFileSync(path), path);
      const skip = (c: VectorCase) => WITHOUT_X87_FAULTS && file.group === 'int-fault' && isX87Case(c, file.mode);
      const tally = runFile(runner, file, { exclude, skip }, (failure) => {
        if (failures.length < SHOWN_FAILURES) failures.push(describeFailure(failure));
      });
      total += tally.passed;
      omitted += tally.excluded;
      expect(tally.failed, failures.join('\n')).toBe(0);
      expect(tally.passed).toBeGreaterThan(0);
    },
    TEN_MINUTES,
  );

  afterAll(() => {
    const left = files.filter((path) => !isRunnable(path)).map((path) => basename(path, '.vec.gz'));
    console.log(`${title}: ${total} cases passed in ${files.length - left.length} files, ${omitted} left out`);
    if (WITHOUT_X87_FAULTS) console.warn(`${title}: NOT RUN, x87 instructions in int-fault`);
    if (left.length > 0) console.warn(`${title}: NOT RUN, not implemented yet: ${left.join(' ')}`);
  });
});

describe.runIf(existsSync(WHOLE))('the committed subset and the list of cases left out', () => {
  it.each(filesOf(SUBSET).map((path) => basename(path)))('%s is made of the whole recording by its tool', (name) => {
    const whole = openVectors(readFileSync(join(WHOLE, name)), name);
    const made = subsetOf(whole, excludedIndices(exclusions, name));
    expect(gunzipSync(readFileSync(join(SUBSET, name))).equals(made), 'run tools/vector-subset.ts again').toBe(true);
  });
});

describe('the list of cases left out', () => {
  it('names files that exist in the recording', () => {
    const names = new Set(filesOf(SUBSET).map((path) => basename(path)));
    for (const { file } of exclusions) expect(names).toContain(file);
  });
});
