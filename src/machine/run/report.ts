/** What a machine did so far, in numbers, and as a few lines for people. */
import type { PcBus } from '../board/bus.ts';
import type { BalloonControl, BalloonFigures } from '../host/balloon-control.ts';
import type { LevelCount } from './exit-counts.ts';
import type { Exits } from './exits.ts';
import type { StopName } from './stops.ts';

export interface Report {
  /** Instructions retired. */
  instructions: number;
  /** Host seconds spent in `run`, waiting for input excluded. */
  hostSeconds: number;
  /** Millions of instructions per host second. */
  mips: number;
  /** Seconds that passed for the guest. */
  virtualSeconds: number;
  /** How often the processor came back, by reason. */
  stops: Record<StopName, number>;
  /** Exits by processor, level and reason. */
  exits: LevelCount[];
  ports: { reads: number; writes: number };
  mmio: { reads: number; writes: number };
  /** Accesses by device, those that were used. */
  devices: { name: string; reads: number; writes: number }[];
  /** Where there is a balloon. */
  balloon?: BalloonFigures;
}

/** Puts the numbers of a run together. */
export function makeReport(
  run: Pick<Report, 'instructions' | 'hostSeconds' | 'virtualSeconds'>,
  exits: Pick<Exits, 'stops' | 'counts' | 'accesses'>,
  bus: PcBus,
  balloon: BalloonControl,
): Report {
  const { portReads, portWrites, mmioReads, mmioWrites } = exits.accesses;
  return {
    ...run,
    stops: { ...exits.stops },
    exits: exits.counts,
    mips: run.hostSeconds > 0 ? run.instructions / run.hostSeconds / 1e6 : 0,
    ports: { reads: portReads, writes: portWrites },
    mmio: { reads: mmioReads, writes: mmioWrites },
    devices: bus.regions
      .filter(({ reads, writes }) => reads + writes > 0)
      .map(({ name, reads, writes }) => ({ name, reads, writes })),
    ...(balloon.isThere ? { balloon: balloon.figures } : {}),
  };
}

/** The report in lines of at most 100 columns. */
export function formatReport(report: Report): string {
  const count = (value: number): string => value.toLocaleString('en-US');
  const stops = Object.entries(report.stops).filter(([, times]) => times > 0);
  const lines = [
    `instructions  ${count(report.instructions)} in ${report.hostSeconds.toFixed(3)} s: ${report.mips.toFixed(1)} MIPS`,
    `guest time    ${report.virtualSeconds.toFixed(6)} s`,
    `stops         ${stops.map(([name, times]) => `${name} ${count(times)}`).join(', ') || 'none'}`,
    `port I/O      ${count(report.ports.reads)} reads, ${count(report.ports.writes)} writes`,
    `MMIO          ${count(report.mmio.reads)} reads, ${count(report.mmio.writes)} writes`,
  ];
  if (report.balloon) {
    const [actual, target, reported] = [report.balloon.actual, report.balloon.target, report.balloon.reported];
    lines.push(`balloon       ${count(actual)} bytes of ${count(target)} to keep; ${count(reported)} reported free`);
  }
  for (const { name, reads, writes } of report.devices) {
    lines.push(`  ${name.padEnd(16)}${count(reads)} reads, ${count(writes)} writes`);
  }
  return lines.join('\n');
}
