/** The release core, which is compiled without assertions and otherwise inlined, plays the committed recordings as the test core does. */
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createVectorRunner } from '../../src/recorded/create-runner.ts';
import { openVectors } from '../../src/recorded/reader.ts';
import { describeFailure, runFile } from '../../src/recorded/run-file.ts';
import type { VectorRunner } from '../../src/recorded/runner.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { filesOf, RECORDINGS } from './recordings.ts';

const TEN_MINUTES = 600_000;
const SHOWN_FAILURES = 5;

describe.each(RECORDINGS)('$vendor on $cpu, the release core', ({ cpu, subset }) => {
  let runner: VectorRunner;
  beforeAll(async () => {
    const source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
    runner = await createVectorRunner(cpu, source);
  }, TEN_MINUTES);

  it.each(filesOf(subset).map((path) => ({ name: basename(path), path })))(
    '$name: every instruction ends as on the real processor',
    ({ path }) => {
      const failures: string[] = [];
      const tally = runFile(runner, openVectors(readFileSync(path), path), {}, (failure) => {
        if (failures.length < SHOWN_FAILURES) failures.push(describeFailure(failure));
      });
      expect(tally.failed, failures.join('\n')).toBe(0);
      expect(tally.passed).toBeGreaterThan(0);
    },
  );
});
