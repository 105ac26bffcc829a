/**
 * What a run of a bench image (roms/README.md) gives, whatever ran it.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Width = 32 | 64;

/** Port the guest writes before and behind each unit. */
export const MARK_PORT = 0xe8;
export const MARK_BEGIN = 1;
export const MARK_END = 2;
export const EXIT_PORT = 0xf4;

export const RAM_BYTES = 128 << 20;

export interface Unit {
  /** CPU time of the whole process, in milliseconds. */
  cpuMs: number;
  /** Guest instructions, where the engine counts them. */
  instructions?: number;
}

export interface GuestRun {
  units: Unit[];
  /** What the guest wrote to its console. */
  output: string;
}

export interface Engine {
  name: string;
  widths: readonly Width[];
  run(width: Width, commandLine: string): Promise<GuestRun>;
}

/** A bench as the guest describes it. */
export interface BenchInfo {
  name: string;
  counts: 'kernel' | 'float' | 'events' | 'bytes';
  perUnit: number;
  checksum?: string;
}

/** The image of the benches in the given width. */
export function benchImage(width: Width): Uint8Array {
  return new Uint8Array(readFileSync(fileURLToPath(new URL(`../roms/bench${width}.elf`, import.meta.url))));
}

/** CPU time this process has used so far, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Collects units from the marks a guest writes. */
export class UnitClock {
  readonly units: Unit[] = [];
  readonly #retired: (() => number) | undefined;
  #startMs = 0;
  #startRetired = 0;

  /** `retired` gives the instructions so far, where the engine counts them. */
  constructor(retired?: () => number) {
    this.#retired = retired;
  }

  mark(value: number): void {
    if (value === MARK_BEGIN) {
      this.#startRetired = this.#retired?.() ?? 0;
      this.#startMs = cpuMs();
    } else if (value === MARK_END) {
      const unit = { cpuMs: cpuMs() - this.#startMs };
      this.units.push(this.#retired ? { ...unit, instructions: this.#retired() - this.#startRetired } : unit);
    }
  }
}

/** Reads the BENCH and CHECK lines. */
export function parseOutput(output: string): BenchInfo[] {
  const checks = new Map(Array.from(output.matchAll(/^CHECK (\S+) (\S+)\r?$/gm), ([, name, value]) => [name, value]));
  return Array.from(
    output.matchAll(/^BENCH (\S+) (kernel|float|events|bytes) (\d+)\r?$/gm),
    ([, name, counts, perUnit]) => ({
      name,
      counts: counts as BenchInfo['counts'],
      perUnit: Number(perUnit),
      checksum: checks.get(name),
    }),
  );
}
