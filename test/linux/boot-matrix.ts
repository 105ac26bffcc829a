/**
 * Boots Debian's kernels in every way that the loaders know, on every board, with one and two processors, with little and
 * much memory; then one of them ten times, which must give the same output and the same number of instructions.
 * Usage: tsx test/linux/boot-matrix.ts [PATTERN [REPEATS]], where PATTERN picks rows such as 'microvm smp=2', the first of
 * which is the one that is repeated
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackLinux } from '../../src/machine/firmware/loaders/linux.ts';
import type { MachineOptions } from '../../src/machine/options.ts';
import { debianPackage } from './debian.ts';
import { boot, prepareSoftware, type Software } from './guest.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "init: $(/bin/busybox grep -c ^processor /proc/cpuinfo) processors"
/bin/busybox poweroff -f
`;
const TEN = 10;
const DAMAGE = /WARNING: CPU|BUG:|Unable to calibrate|Kernel panic/;

interface Row {
  name: string;
  kernel: Uint8Array;
  options: Partial<MachineOptions>;
  processors: number;
}

async function rows(cloud: Uint8Array): Promise<Row[]> {
  const folder = join(debianPackage('linux-image-amd64', true), 'boot');
  const full = new Uint8Array(readFileSync(join(folder, readdirSync(folder).find((name) => /^vmlinuz/.test(name))!)));
  const ways: [string, Uint8Array, Partial<MachineOptions>][] = [];
  for (const [name, image] of [
    ['cloud', cloud],
    ['full', full],
  ] as const) {
    const { unpacked } = await unpackLinux(image);
    ways.push([`${name} unpacked`, image, {}], [`${name} pvh`, unpacked!, {}]);
    ways.push([`${name} image`, image, { linuxBoot: 'image' }], [`${name} image32`, image, { linuxBoot: 'image32' }]);
  }
  return ways.flatMap(([way, kernel, how]) =>
    (['pc', 'q35', 'microvm'] as const).flatMap((machine) =>
      [1, 2].flatMap((processors) =>
        ['128M', '2G'].map((memory) => ({
          name: `${way} ${machine} smp=${processors} ${memory}`,
          kernel,
          processors,
          options: { ...how, machine, vcpus: processors, memory },
        })),
      ),
    ),
  );
}

async function run(software: Software, { name, kernel, options, processors }: Row): Promise<string> {
  const start = Date.now();
  const { outcome, output, retired } = await boot({ ...software, kernel }, INIT, '', [], { options });
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  const isGood =
    outcome.reason === 'powered-off' && output.includes(`init: ${processors} processors`) && !DAMAGE.test(output);
  const sum = createHash('sha256').update(output).digest('hex').slice(0, 12);
  console.log(
    `${isGood ? 'pass' : 'FAIL'}  ${name}: ${outcome.reason}, ${retired} instructions, output ${sum}, ${seconds} s`,
  );
  if (!isGood) process.exitCode = 1;
  return `${retired} ${sum}`;
}

const [, , pattern = '', wish] = process.argv;
const repeats = wish === undefined ? TEN : Number(wish);
const software = await prepareSoftware();
const all = await rows(software.kernel);
const chosen = all.filter(({ name }) => name.includes(pattern));
for (const row of chosen) await run(software, row);
const results = new Set<string>();
for (let i = 0; i < repeats; i++) results.add(await run(software, chosen[0] ?? all[0]));
if (repeats > 0) {
  console.log(`${results.size === 1 ? 'pass' : 'FAIL'}  ${repeats} boots in a row: ${results.size} different`);
  if (results.size !== 1) process.exitCode = 1;
}
