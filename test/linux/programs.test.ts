// A program that gcc made for AVX2 and FMA prints in the guest what it prints on the host.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { EXECUTABLE } from './cpio.ts';
import { boot, prepareSoftware, type Software } from './guest.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "flags $(/bin/busybox grep -o -w -E 'avx2|fma|f16c|bmi2|xsave' /proc/cpuinfo | /bin/busybox sort -u | /bin/busybox tr '\\n' ' ')"
/numbers
/bin/busybox poweroff -f
`;

let software: Software;

function hostHas(flags: readonly string[]): boolean {
  const known = new Set(readFileSync('/proc/cpuinfo', 'utf8').split(/\s+/));
  return flags.every((flag) => known.has(flag));
}

/** Without contraction, so that what needs FMA says so and every build computes the same. */
function compile(program: string, flags: readonly string[]): string {
  const source = join(import.meta.dirname, 'programs/numbers.c');
  execFileSync('gcc', [
    '-O2',
    '-ftree-vectorize',
    '-ffp-contract=off',
    ...flags,
    '-static',
    '-o',
    program,
    source,
    '-lm',
  ]);
  return program;
}

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

it('vector, fused, x87 and string code computes as on the host', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-'));
  const program = compile(join(folder, 'numbers'), ['-mavx2', '-mfma']);
  const onHost = hostHas(['avx2', 'fma']) ? program : compile(join(folder, 'numbers-plain'), []);
  const expected = execFileSync(onHost, { encoding: 'utf8' });
  const files = [{ path: 'numbers', mode: EXECUTABLE, bytes: readFileSync(program) }];
  const { output } = await boot(software, INIT, 'quiet', files);
  const lines = output.replaceAll('\r', '').split('\n');
  expect(lines).toContain('flags avx2 bmi2 f16c fma xsave ');
  const from = lines.findIndex((line) => line.startsWith('matrix '));
  expect(lines.slice(from, from + expected.trimEnd().split('\n').length)).toEqual(expected.trimEnd().split('\n'));
}, 600_000);
