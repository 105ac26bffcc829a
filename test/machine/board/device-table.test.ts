// The device table: names, properties and their errors, and backends found by id.
import { describe, expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { DEVICE_NAMES, type DeviceSpec } from '../../../src/machine/board/device-table.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { fakeCore, forever } from '../fake-core.ts';

const MAGIC_BASE = 0xfeb0_0000;

async function machineWith(devices: unknown[], options: Partial<MachineOptions> = {}) {
  const fake = fakeCore([forever]);
  const machine = await Machine.create({
    kernel: Uint8Array.of(0),
    flat: { address: 0, mode: 16 },
    memory: '1M',
    devices: devices as DeviceSpec[],
    createCore: fake.createCore,
    ...options,
  });
  return { machine, bus: fake.core().bus };
}

describe('the device table', () => {
  it('has every name once', () => {
    expect(new Set(DEVICE_NAMES).size).toBe(DEVICE_NAMES.length);
  });

  it.each([
    [{ type: 'floppy' }, /device 'floppy' is unknown: there are .*isa-debug-exit, /],
    [{ type: 'isa-debug-exit', port: 1 }, /isa-debug-exit: unknown property 'port'; there are iobase, iosize/],
    [{ type: 'isa-debug-exit', iobase: 0x10000 }, /iobase=: '65536' is not a number from 1 to 0xffff/],
    [{ type: 'virtio-blk' }, /virtio-blk,drive= is missing/],
    [{ type: 'virtio-blk', drive: 'c' }, /drive 'c' does not exist; there are a, b/],
    [{ type: 'virtio-rng', packed: 'on' }, /packed=: 'on' is not on or off/],
  ])('refuses %o', async (spec, message) => {
    const drives = { a: ramDisk(new Uint8Array(512)), b: ramDisk(new Uint8Array(512)) };
    await expect(machineWith([spec], { drives })).rejects.toThrow(message);
  });

  it('puts memory-mapped virtio devices one after the other', async () => {
    const drives = { a: ramDisk(new Uint8Array(512)) };
    const devices = [{ type: 'virtio-blk-device', drive: 'a' }, { type: 'virtio-rng-device' }];
    const { bus } = await machineWith(devices, { drives });
    const ids = [0, 1, 2].map((slot) => bus.mmioRead(MAGIC_BASE + 0x200 * slot + 8, 4));
    expect(ids).toEqual([2, 4, 0xffff_ffff]);
  });

  it('offers a driver what the properties leave', async () => {
    const features = async (spec: object) => {
      const { bus } = await machineWith([{ type: 'virtio-rng-device', ...spec }]);
      bus.mmioWrite(MAGIC_BASE + 0x14, 4, 1);
      return bus.mmioRead(MAGIC_BASE + 0x10, 4);
    };
    expect(await features({})).toBe(0b101);
    expect(await features({ packed: false })).toBe(0b001);
  });
});
