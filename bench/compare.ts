/**
 * Runs the same benches on several engines, turn by turn, and keeps medians. Every run is a fresh boot; its first unit
 * warms the engine up and is not counted.
 */
import { type BenchInfo, type Engine, parseOutput, type Unit, type Width } from './guest-run.ts';

export interface Measured {
  info: BenchInfo;
  /** Median CPU time of a unit, in milliseconds. */
  medianMs: number;
  /** Guest instructions of a unit, where the engine counts them. */
  instructions?: number;
  units: number;
}

/** bench name -> engine name -> result */
export type Results = Map<string, Map<string, Measured>>;

export interface Plan {
  width: Width;
  /** Names of benches; those the guest does not know are an error. */
  benches: readonly string[];
  /** How often the engines take turns. */
  rounds: number;
  /** Units of a run that are counted. */
  units: number;
}

/** The benches of the image in the guest's order, as `engine` sees them. */
export async function listBenches(engine: Engine, width: Width): Promise<BenchInfo[]> {
  return parseOutput((await engine.run(width, 'bench=list')).output);
}

/** Measures. Throws where two engines computed different checksums: then one of them is wrong, and times mean nothing. */
export async function compareEngines(engines: readonly Engine[], plan: Plan): Promise<Results> {
  const results: Results = new Map();
  const able = engines.filter((engine) => engine.widths.includes(plan.width));
  for (const bench of plan.benches) {
    const units = new Map<string, Unit[]>();
    const infos = new Map<string, BenchInfo>();
    for (let round = 0; round < plan.rounds; round++) {
      for (const engine of able) {
        const run = await engine.run(plan.width, `bench=${bench} units=${plan.units + 1}`);
        const info = parseOutput(run.output)[0];
        if (!info?.checksum)
          throw new Error(`${bench} on ${engine.name} did not finish: ${JSON.stringify(run.output)}`);
        infos.set(engine.name, info);
        units.set(engine.name, [...(units.get(engine.name) ?? []), ...run.units.slice(1)]);
      }
    }
    results.set(bench, summarize(bench, units, infos));
    process.stderr.write('.');
  }
  process.stderr.write('\n');
  return results;
}

function summarize(bench: string, units: Map<string, Unit[]>, infos: Map<string, BenchInfo>): Map<string, Measured> {
  const checksums = new Set(Array.from(infos.values(), (info) => info.checksum));
  if (checksums.size > 1) {
    const said = Array.from(infos, ([engine, info]) => `${engine} ${info.checksum}`).join(', ');
    throw new Error(`${bench}: the engines disagree on the result: ${said}`);
  }
  const measured = new Map<string, Measured>();
  for (const [engine, list] of units) {
    const counts = list.map((unit) => unit.instructions).filter((n) => n !== undefined);
    measured.set(engine, {
      info: infos.get(engine)!,
      medianMs: median(list.map((unit) => unit.cpuMs)),
      instructions: counts.length > 0 ? median(counts) : undefined,
      units: list.length,
    });
  }
  return measured;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
