/** The processors of a machine: how they are made, and the wires by which the board reaches them. */
import { createCore } from '../../core/index.ts';
import type { Bus, Core, GuestMemory } from '../../core/types.ts';
import type { ExtraMemory } from '../board/extra-memory.ts';
import type { MachineOptions } from '../options.ts';
import { randomFor, wordOf } from '../state/random.ts';
import type { RoundRobin } from './round-robin.ts';

/** What the board does to processors. It is built before them, and touches them only when they run. */
export interface ProcessorWires {
  memory: GuestMemory;
  /** Guest RAM was written by a device. */
  wrote: (pa: number, length: number) => void;
  /** What the 8259As drive: the INTR pin of the first, and pin 0 of the I/O APIC, which is masked as a rule. */
  intr: (level: boolean) => void;
  a20: (isOpen: boolean) => void;
  ignne: (asserted: boolean) => void;
  /** Nanoseconds pass for the one that runs: it waits for a device. */
  spend: (ns: number) => void;
}

const PIC_PIN = 0;

export function processorWires(turns: RoundRobin, memoryBytes: number): ProcessorWires {
  const { cores } = turns;
  return {
    memory: { size: memoryBytes, bytes: (pa, length) => cores[0].memory.bytes(pa, length) },
    wrote: (pa, length) => {
      for (const core of cores) core.invalidateCode(pa, length);
    },
    intr: (level) => {
      cores[0]?.setIntr(level);
      cores[0]?.setIoapicPin(PIC_PIN, level);
    },
    a20: (isOpen) => {
      for (const core of cores) core.setA20?.(isOpen);
    },
    ignne: (asserted) => {
      for (const core of cores) core.setIgnne?.(asserted);
    },
    spend: (ns) => turns.spend(ns),
  };
}

/** Makes `vcpus` processors over one memory and adds them to `cores`. */
export async function addProcessors(
  cores: Core[],
  options: MachineOptions,
  {
    memoryBytes,
    vcpus,
    bus,
    extra,
    hasVga,
  }: { memoryBytes: number; vcpus: number; bus: Bus; extra: ExtraMemory; hasVga?: boolean },
): Promise<void> {
  const { cpu, source, createCore: make = createCore } = options;
  const extraBytes = extra.size;
  const random = randomFor(options);
  for (let id = 0; id < vcpus; id++) {
    const entropy = wordOf(random);
    cores.push(
      await make({ memoryBytes, extraBytes, bus, cpu, source, vcpus, id, entropy, backing: cores[0]?.backing }),
    );
  }
  extra.connect(cores);
  if (hasVga) for (const core of cores) core.openVgaWindow?.();
}
