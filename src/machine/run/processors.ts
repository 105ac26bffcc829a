/** The processors of a machine: how they are made, and the wires by which the board reaches them. */
import { createCore } from '../../core/index.ts';
import type { Bus, Core, GuestMemory } from '../../core/types.ts';
import type { Plan } from '../plan.ts';
import { randomFor, wordOf } from '../state/random.ts';

/** What the board does to processors. */
export interface ProcessorWires {
  memory: GuestMemory;
  /** Guest RAM was written by a device. */
  wrote: (pa: number, length: number) => void;
  /** What the 8259As drive: the INTR pin of the first, and pin 0 of the I/O APIC, which is masked as a rule. */
  intr: (level: boolean) => void;
  a20: (isOpen: boolean) => void;
  ignne: (asserted: boolean) => void;
}

const PIC_PIN = 0;

export function processorWires(cores: readonly Core[]): ProcessorWires {
  const [first] = cores;
  return {
    memory: first.memory,
    wrote: (pa, length) => {
      for (const core of cores) core.invalidateCode(pa, length);
    },
    intr: (level) => {
      first.setIntr(level);
      first.setIoapicPin(PIC_PIN, level);
    },
    a20: (isOpen) => {
      for (const core of cores) core.chipset?.setA20(isOpen);
    },
    ignne: (asserted) => {
      for (const core of cores) core.chipset?.setIgnne(asserted);
    },
  };
}

/** Makes the processors of a machine over one memory and adds them to `cores`. */
export async function addProcessors(cores: Core[], plan: Plan, bus: Bus): Promise<void> {
  const { memoryBytes, vcpus, extra, hasVga, options } = plan;
  const { cpu, source, createCore: make = createCore } = options;
  const extraBytes = extra.size;
  const random = randomFor(options);
  for (let id = 0; id < vcpus; id++) {
    const entropy = wordOf(random);
    const backing = cores[0]?.backing;
    cores.push(await make({ memoryBytes, extraBytes, bus, cpu, source, vcpus, id, entropy, backing }));
  }
  extra.connect(cores);
  if (hasVga) for (const core of cores) core.memoryMap?.openVgaWindow();
}
