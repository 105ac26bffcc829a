/**
 * What do system events cost beside v86's interpreter? Page faults, system calls, CR3 writes, TLB misses, port and MMIO
 * accesses, self-modifying code, CPUID (nanoseconds an event), REP MOVS and STOS (GB/s).
 *
 * What would make the numbers a lie: loop overhead is included, and is larger on the slower interpreter; the devices
 * behind the ports are each engine's own; a `-` is an event that the width or the engine does not have.
 */
import { compareEngines, listBenches, type Measured, type Results } from './compare.ts';
import type { Width } from './guest-run.ts';
import { machineEngine } from './machine-engine.ts';
import { figure, formatTable } from './table.ts';
import { v86Engine } from './v86-engine.ts';

const ROUNDS = 3;
const UNITS = 4;

const ours = machineEngine();
const peer = v86Engine({ jit: false });
const peerJit = v86Engine({ jit: true });

/** Prints the table. `only` restricts the events. */
export async function benchEvents(only: readonly string[] = []): Promise<void> {
  const results = { 32: await measure(32), 64: await measure(64) };
  if (results[64].size === 0) return;
  const names = new Set([...results[32].keys(), ...results[64].keys()]);
  const infoOf = (name: string) => (results[32].get(name) ?? results[64].get(name))!.get(ours.name)!.info;
  const eventNames = [...names].filter((name) => infoOf(name).counts === 'events');
  const stringNames = [...names].filter((name) => infoOf(name).counts === 'bytes');
  const head = ['ours 32', 'v86 JIT off 32', 'v86 JIT on 32', 'ours 64', 'ours/v86 JIT off'];
  console.log('\nSystem events (ns an event; smaller is better, so is the last column)\n');
  console.log(
    formatTable(
      ['event', ...head],
      eventNames.map((name) => row(name, nanoseconds)),
    ),
  );
  console.log('\nString instructions (GB/s; larger is better, so is the last column)\n');
  console.log(
    formatTable(
      ['instruction', ...head],
      stringNames.map((name) => row(name, gigabytes)),
    ),
  );

  async function measure(width: Width): Promise<Results> {
    const events = (await listBenches(ours, width))
      .filter((b) => b.counts === 'events' || b.counts === 'bytes')
      .map((b) => b.name);
    const benches = only.length > 0 ? events.filter((name) => only.includes(name)) : events;
    return compareEngines([ours, peer, peerJit], { width, benches, rounds: ROUNDS, units: UNITS });
  }

  function row(name: string, value: (m: Measured | undefined) => number): string[] {
    const at = (width: Width, engine: string) => value(results[width].get(name)?.get(engine));
    const mine = at(32, ours.name);
    const theirs = at(32, peer.name);
    return [name, ...[mine, theirs, at(32, peerJit.name), at(64, ours.name), mine / theirs].map(figure)];
  }
}

const nanoseconds = (m: Measured | undefined) => (m ? (m.medianMs * 1e6) / m.info.perUnit : Number.NaN);
const gigabytes = (m: Measured | undefined) => (m ? m.info.perUnit / m.medianMs / 1e6 : Number.NaN);
