/**
 * How fast is our interpreter beside v86's? Integer and floating-point kernels, the same 32-bit image on both, 64-bit images on ours alone.
 *
 * What would make the numbers a lie: a machine that is busy with something else (the engines take turns, so it hurts
 * them alike, but the medians move); an engine that computes something else (the checksums must agree); counting
 * instructions differently (the counts are ours, applied to both).
 */
import { compareEngines, geometricMean, listBenches, type Results } from './compare.ts';
import type { Engine, Width } from './guest-run.ts';
import { machineEngine } from './machine-engine.ts';
import { figure, formatTable } from './table.ts';
import { v86Engine } from './v86-engine.ts';

const ROUNDS = 3;
const UNITS = 3;

const ours = machineEngine();
const peer = v86Engine({ jit: false });
const peerJit = v86Engine({ jit: true });

export type KernelKind = 'kernel' | 'float';

const TITLES: Record<KernelKind, string> = { kernel: 'Integer kernels', float: 'Floating-point and SIMD kernels' };

/** Prints both tables of one kind of kernels. `only` restricts the kernels. */
export async function benchInterpreter(kind: KernelKind, only: readonly string[] = []): Promise<void> {
  const results = { 32: await measure(32), 64: await measure(64) };
  if (results[64].size === 0) return;
  console.log(`\n${TITLES[kind]}, 32-bit image (MIPS; ratio: ours to v86 with its JIT off)\n`);
  console.log(render32(results[32]));
  console.log(`\n${TITLES[kind]}, 64-bit image (v86 has no 64-bit mode)\n`);
  console.log(render64(results[64]));

  async function measure(width: Width): Promise<Results> {
    const kernels = (await listBenches(ours, width)).filter((b) => b.counts === kind).map((b) => b.name);
    const benches = only.length > 0 ? kernels.filter((name) => only.includes(name)) : kernels;
    return compareEngines([ours, peer, peerJit], { width, benches, rounds: ROUNDS, units: UNITS });
  }
}

/** Millions of instructions a second; the count of the same unit on ours serves for engines that do not count. */
function mips(results: Results, bench: string, engine: Engine): number {
  const row = results.get(bench)!;
  const instructions = row.get(ours.name)!.instructions!;
  const measured = row.get(engine.name);
  return measured ? instructions / measured.medianMs / 1000 : Number.NaN;
}

function render32(results: Results): string {
  const engines = [ours, peer, peerJit];
  const benches = [...results.keys()];
  const rows = benches.map((bench) => {
    const speeds = engines.map((engine) => mips(results, bench, engine));
    const instructions = results.get(bench)!.get(ours.name)!.instructions!;
    return [
      bench,
      String(instructions),
      ...speeds.map(figure),
      figure(speeds[0] / speeds[1]),
      figure(speeds[0] / speeds[2]),
    ];
  });
  const means = engines.map((engine) => geometricMean(benches.map((bench) => mips(results, bench, engine))));
  rows.push(['geometric mean', '', ...means.map(figure), figure(means[0] / means[1]), figure(means[0] / means[2])]);
  return formatTable(['kernel', 'instructions/unit', 'ours', 'v86 JIT off', 'v86 JIT on', 'ratio', 'to JIT'], rows);
}

function render64(results: Results): string {
  const benches = [...results.keys()];
  const rows = benches.map((bench) => {
    const { instructions } = results.get(bench)!.get(ours.name)!;
    return [bench, String(instructions), figure(mips(results, bench, ours))];
  });
  rows.push(['geometric mean', '', figure(geometricMean(benches.map((bench) => mips(results, bench, ours))))]);
  return formatTable(['kernel', 'instructions/unit', 'ours'], rows);
}
