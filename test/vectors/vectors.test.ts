/**
 * Every recorded instruction vector that is at hand, on our processor: the committed subset always, and the whole set
 * where it lies beside the repository.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVectorRunner } from '../../src/vectors/create-runner.ts';
import { excludedIndices, parseExclusions } from '../../src/vectors/exclusions.ts';
import { openVectors } from '../../src/vectors/reader.ts';
import { describeFailure, runFile } from '../../src/vectors/run-file.ts';
import type { VectorRunner } from '../../src/vectors/runner.ts';
import { subsetOf } from '../../tools/vector-subset.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SUBSET = here('./data');
const WHOLE = here('../../../shared/vectors/public');
const exclusions = parseExclusions(readFileSync(here('./amd-only.json'), 'utf8'), 'amd-only.json');

const TEN_MINUTES = 600_000;
const SHOWN_FAILURES = 5;

function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.vec.gz'))
    .map((name) => join(folder, name));
}

let runner: VectorRunner;
beforeAll(async () => {
  runner = await createVectorRunner('max,vendor=AuthenticAMD');
});

const sets = [{ title: 'the committed subset', folder: SUBSET, isWhole: false }];
if (existsSync(WHOLE)) sets.push({ title: 'the whole recording', folder: WHOLE, isWhole: true });

describe.each(sets)('$title', ({ title, folder, isWhole }) => {
  let [total, omitted] = [0, 0];
  const files = filesOf(folder);

  it.each(files.map((path) => ({ name: basename(path), path })))(
    '$name: every instruction ends as on the real processor',
    ({ path }) => {
      const failures: string[] = [];
      const exclude = isWhole ? excludedIndices(exclusions, basename(path)) : new Set<number>();
      const file = openVectors(readFileSync(path), path);
      const tally = runFile(runner, file, { exclude }, (failure) => {
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
    console.log(`${title}: ${total} cases passed in ${files.length} files, ${omitted} left out`);
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
