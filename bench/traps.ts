/**
 * What do traps cost? Round trips of a hypervisor (roms/vmx/bench.c), its own code included: nanoseconds on this host, and
 * instructions of the hypervisor and its guest together.
 *
 * What would make the numbers a lie: the figures of Bochs and QEMU (SVM) are published ones of another machine, lower
 * quartiles of longer round trips (85 instructions a CPUID exit); only what they measured alike is shown beside ours.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseOutput } from './guest-run.ts';
import { machineEngine } from './machine-engine.ts';
import { figure, formatTable } from './table.ts';

const ROUNDS = 5;
const UNITS = 24;
/** Microseconds: Bochs 3.0 (VMX), QEMU 7.2 TCG (SVM). */
const PUBLISHED: Readonly<Record<string, readonly [bochs: number, qemu: number]>> = {
  cpuid: [5.5, 14.6],
  'cpuid-noept': [5.4, 11.1],
  hlt: [6.2, 13.3],
  io: [6.5, 13.3],
  'ept-violation': [7.2, 16.7],
  'shadow-fill': [7.9, 14.0],
  'cr3-ept': [2.4, 2.7],
  'cr3-exit': [6.1, 10.4],
  setup: [13.1, 46],
};

const lowerQuartile = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 2];

/** Prints the table. `only` restricts the traps. */
export async function benchTraps(only: readonly string[] = []): Promise<void> {
  const image = readFileSync(fileURLToPath(new URL('../roms/vmx-bench.elf', import.meta.url)));
  const engine = machineEngine(new Uint8Array(image));
  const all = parseOutput((await engine.run(64, 'bench=list')).output);
  const rows: string[][] = [];
  for (const { name, perUnit } of all.filter(({ name }) => only.length === 0 || only.includes(name))) {
    const ns: number[] = [];
    let instructions = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { units } = await engine.run(64, `bench=${name} units=${UNITS}`);
      for (const unit of units.slice(1)) {
        ns.push((unit.cpuMs * 1e6) / perUnit);
        instructions = (unit.instructions ?? 0) / perUnit;
      }
    }
    const mine = lowerQuartile(ns);
    const [bochs, qemu] = PUBLISHED[name] ?? [];
    const ratio = bochs === undefined ? '-' : figure((bochs * 1000) / mine);
    rows.push([
      name,
      figure(mine),
      figure(instructions),
      ...[bochs, qemu].map((us) => (us ? figure(us * 1000) : '-')),
      ratio,
    ]);
  }
  console.log('\nTraps (ns a round trip, lower quartile; smaller is better, the last column larger)\n');
  console.log(
    formatTable(['trap', 'ours', 'instructions', 'Bochs, published', 'QEMU SVM, published', 'Bochs/ours'], rows),
  );
}
