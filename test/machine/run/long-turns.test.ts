// What a guest cannot do: hold the run loop, by devices that never finish or by sleeping for longer than anybody lives.
import { describe, expect, it } from 'vitest';
import { NEVER, Stop } from '../../../src/core/types.ts';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { type FakeCore, type FakeInstruction, fakeCore, forever, hlt, out, sti } from '../fake-core.ts';

const flatKernel = { kernel: Uint8Array.of(0x90), flat: { address: 0x7c00, mode: 16 } } as const;
const machineOf = async (
  program: FakeInstruction[],
  options: Partial<MachineOptions> = {},
): Promise<{ machine: Machine; core: FakeCore }> => {
  const { createCore, core } = fakeCore(program);
  const machine = await Machine.create({ ...flatKernel, memory: '1M', createCore, ...options });
  return { machine, core: core() };
};
/** Interrupt controllers at vectors 0x20 and 0x28, ending interrupts by themselves. */
const pics: FakeInstruction[] = [out(0x20, 0x11), out(0x21, 0x20, 4, 3), out(0xa0, 0x11), out(0xa1, 0x28, 2, 3)];
const pitEvery = (ticks: number): FakeInstruction[] => [out(0x43, 0x34), out(0x40, ticks & 0xff, ticks >> 8)];
const masked = [out(0x21, 0xff), out(0xa1, 0xff)];

describe('a step', () => {
  const bounded = (core: FakeCore, most: number, run: FakeCore['run'] = core.run.bind(core)): (() => number) => {
    let calls = 0;
    core.run = (budget) => {
      if (++calls > most) throw new Error('it does not come back');
      return run(budget);
    };
    return () => calls;
  };

  it('comes back from a guest that sleeps while events come that wake nobody', async () => {
    const { machine, core } = await machineOf([...pics, ...masked, ...pitEvery(0x1000), sti, hlt]);
    await machine.run({ instructions: 10 });
    const calls = bounded(core, 5000);
    expect(machine.step()).toBeNull();
    expect([core.retired, calls()]).toEqual([10, 1000]);
  });

  it('comes back from a guest whose faults retire nothing', async () => {
    const { machine, core } = await machineOf([forever]);
    const calls = bounded(core, 5000, () => Stop.BUDGET);
    expect(machine.step()).toBeNull();
    expect(calls()).toBe(1000);
  });

  it('goes over HLT to the first instruction of the interrupt, however long that takes', async () => {
    const { machine, core } = await machineOf([...pics, ...pitEvery(0xffff), sti, hlt, forever]);
    await machine.run({ instructions: 8 });
    expect([machine.step(), core.interrupts, core.retired]).toEqual([null, [0x20], 9]);
  });
});

describe('a device that never runs out of work', () => {
  const [BASE, RING, AREA, HEADERS, TABLES, DUMP] = [0xfeb0_0000, 0x10000, 0x11000, 0x12000, 0x13000, 0x14000];
  const [AVAIL, USED, INDIRECT, WRITE] = [0x80, 0x8000, 4, 2];
  const MOST_READS = 20_000;
  /** The two places of a packed ring, each in two laps: whoever reads one of these sectors makes the next available. */
  const places = [0, 1, 2, 3].map((n) => ({ place: n % 2, isFirstLap: n < 2 }));

  const descriptor = (n: number): Uint8Array => {
    const view = new DataView(new ArrayBuffer(16));
    view.setBigUint64(0, BigInt(TABLES + 0x100 * n), true);
    view.setUint32(8, 64, true);
    view.setUint16(12, 7, true);
    view.setUint16(14, INDIRECT | (places[n].isFirstLap ? AVAIL : USED), true);
    return new Uint8Array(view.buffer);
  };

  const layOut: FakeInstruction = (_bus, { memory }) => {
    for (const n of places.keys()) {
      const header = new DataView(
        memory.bytes(HEADERS + 64 * n, 16).buffer,
        memory.bytes(HEADERS + 64 * n, 16).byteOffset,
      );
      header.setBigUint64(8, BigInt(n), true);
      const next = RING + 16 * places[(n + 1) % 4].place;
      const parts = [
        [HEADERS + 64 * n, 16, 0],
        [next, 16, WRITE],
        [DUMP, 496, WRITE],
        [DUMP + 512, 1, WRITE],
      ];
      for (const [k, [gpa, length, flags]] of parts.entries()) {
        const bytes = memory.bytes(TABLES + 0x100 * n + 16 * k, 16);
        const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
        view.setBigUint64(0, BigInt(gpa), true);
        view.setUint32(8, length, true);
        view.setUint16(14, flags, true);
      }
    }
    memory.bytes(RING, 16).set(descriptor(0));
  };

  const bringUp: FakeInstruction = (bus) => {
    const set = (reg: number, value: number): void => bus.mmioWrite(BASE + reg, 4, value);
    for (const status of [1, 3]) set(Reg.STATUS, status);
    set(Reg.DRIVER_FEATURES_SEL, 0);
    set(Reg.DRIVER_FEATURES, 1 << 28);
    set(Reg.DRIVER_FEATURES_SEL, 1);
    set(Reg.DRIVER_FEATURES, 5);
    set(Reg.STATUS, 11);
    set(Reg.QUEUE_NUM, 2);
    for (const [at, gpa] of [RING, AREA, AREA + 16].entries()) set(Reg.QUEUE_DESC_LOW + 16 * at, gpa);
    set(Reg.QUEUE_READY, 1);
    set(Reg.STATUS, 15);
  };

  it('takes turns with the guest and the host', async () => {
    const bytes = new Uint8Array(0x1000);
    for (const n of places.keys()) bytes.set(descriptor((n + 1) % 4), 512 * n);
    const disk = ramDisk(bytes);
    let reads = 0;
    const read = disk.read.bind(disk);
    disk.read = (offset, into) => {
      if (into.length === 16 && ++reads > MOST_READS) throw new Error('the host never had its turn');
      read(offset, into);
    };
    const { machine } = await machineOf([layOut, bringUp, forever], {
      machine: 'microvm',
      devices: [{ type: 'virtio-blk', drive: 'd' }],
      drives: { d: disk },
    });
    expect(await machine.run({ instructions: 100_000 })).toEqual({ reason: 'limit' });
    // A chain of two reads in ten microseconds, of a hundred and what the accesses took.
    expect(reads).toBeGreaterThanOrEqual(2 * 10);
    expect(reads).toBeLessThanOrEqual(2 * 11);
  });
});

describe('a guest that sleeps for months again and again', () => {
  const [HPET, COUNTER, CONFIG, COMPARATOR] = [0xfed0_0000, 0x10, 0x100, 0x108];
  const set = (bus: Parameters<FakeInstruction>[0], offset: number, value: number): void =>
    bus.mmioWrite(HPET + offset, 4, value);
  /** HLT until the counter is `n` << 48. */
  const sleep =
    (n: number): FakeInstruction =>
    (bus) => {
      set(bus, COMPARATOR, 0);
      set(bus, COMPARATOR + 4, n << 16);
      return Stop.HALT;
    };

  it('has timers that are exact to the nanosecond ever after', async () => {
    const times: bigint[] = [];
    const note: FakeInstruction = (_bus, core) => void times.push(core.now);
    const oneShot: FakeInstruction = (bus) => {
      set(bus, COUNTER, 3);
      set(bus, CONFIG, 4);
    };
    const every1000Ticks: FakeInstruction = (bus) => {
      set(bus, CONFIG, 0x10c);
      set(bus, CONFIG, 0x14c);
      set(bus, COMPARATOR, 0);
      set(bus, COMPARATOR, 1000);
    };
    const naps = Array.from({ length: 16 }, () => [hlt, note]).flat();
    const { machine, core } = await machineOf([
      ...pics,
      oneShot,
      sti,
      ...Array.from({ length: 80 }, (_, n) => sleep(n + 1)),
      every1000Ticks,
      ...naps,
      out(0x64, 0xfe),
      forever,
    ]);
    expect(await machine.run({ instructions: 10_000 })).toEqual({ reason: 'reset' });
    expect(core.now).toBeGreaterThan(80n << 51n);
    const periods = times.slice(2).map((time, n) => time - times[n + 1]);
    expect(new Set(periods)).toEqual(new Set([10_000n]));
  });

  it('has halted for good where it waits for a time that no machine lives to see', async () => {
    const { machine, core } = await machineOf([sti, hlt]);
    core.nextDeadline = NEVER;
    expect(await machine.run()).toEqual({ reason: 'halted' });
  });
});
