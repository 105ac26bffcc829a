/**
 * Every recorded instruction vector that is at hand, on a model of the processor's vendor: the committed subsets always,
 * and the whole sets where they lie beside the repository.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVectorRunner } from '../../src/recorded/create-runner.ts';
import { openVectors } from '../../src/recorded/reader.ts';
import { describeFailure, runFile } from '../../src/recorded/run-file.ts';
import type { VectorRunner } from '../../src/recorded/runner.ts';
import { subsetOf } from '../../tools/vector-subset.ts';
import { filesOf, RECORDINGS, setsOf } from './recordings.ts';

const TEN_MINUTES = 600_000;
const SHOWN_FAILURES = 5;

describe.each(RECORDINGS)('$vendor on $cpu', (recording) => {
  let runner: VectorRunner;
  beforeAll(async () => {
    runner = await createVectorRunner(recording.cpu);
  });

  describe.each(setsOf(recording))('$title', ({ title, folder }) => {
    let total = 0;
    const files = filesOf(folder);

    it.each(files.map((path) => ({ name: basename(path), path })))(
      '$name: every instruction ends as on the real processor',
      ({ path }) => {
        const failures: string[] = [];
        const tally = runFile(runner, openVectors(readFileSync(path), path), {}, (failure) => {
          if (failures.length < SHOWN_FAILURES) failures.push(describeFailure(failure));
        });
        total += tally.passed;
        expect(tally.failed, failures.join('\n')).toBe(0);
        expect(tally.passed).toBeGreaterThan(0);
      },
      TEN_MINUTES,
    );

    afterAll(() => console.log(`${recording.vendor}, ${title}: ${total} cases passed in ${files.length} files`));
  });

  it.runIf(existsSync(recording.whole)).each(filesOf(recording.subset).map((path) => basename(path)))(
    '%s is made of the whole recording by its tool',
    (name) => {
      const whole = openVectors(readFileSync(join(recording.whole, name)), name);
      const packed = readFileSync(join(recording.subset, name));
      expect(gunzipSync(packed).equals(subsetOf(whole, recording.step)), 'run tools/vector-subset.ts again').toBe(true);
    },
  );
});
