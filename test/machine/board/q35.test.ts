// The board that looks like a q35: what its chipset says, and devices behind root ports.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/core/types.ts';
import type { DeviceSpec } from '../../../src/machine/board/device-table.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { fakeCore, forever } from '../fake-core.ts';

const ECAM = 0xe000_0000;
const RCBA = 0xfed1_c000;
const ONES = 0xffff_ffff;
const RNG = 0x1044_1af4;
const ROOT_PORT = 0x000c_1b36;
const at = (bus: number, slot: number, register: number): number => ECAM + (bus << 20) + (slot << 15) + register;

async function busOf(devices: DeviceSpec[], more: Partial<MachineOptions> = {}): Promise<Bus> {
  const fake = fakeCore([forever]);
  const flat = { address: 0, mode: 16 } as const;
  const options = { kernel: Uint8Array.of(0), flat, memory: '1M', devices, createCore: fake.createCore } as const;
  await Machine.create({ machine: 'q35', ...options, ...more });
  return fake.core().bus;
}

const capabilityAt = (bus: Bus, fn: number, id: number): number => {
  for (let p = bus.mmioRead(fn + 0x34, 1); p !== 0; p = bus.mmioRead(fn + p + 1, 1)) {
    if (bus.mmioRead(fn + p, 1) === id) return fn + p;
  }
  return 0;
};

describe('the ISA bridge at 00:1f.0', () => {
  it('tells which serial ports it decodes, and that the keyboard controller is there', async () => {
    const enables = async (serialPorts: number): Promise<number[]> => {
      const bus = await busOf([], { serialPorts });
      return [bus.mmioRead(at(0, 0x1f, 0x80), 2), bus.mmioRead(at(0, 0x1f, 0x82), 2) & 0xc03];
    };
    expect(await enables(0)).toEqual([0x10, 0xc00]);
    expect(await enables(1)).toEqual([0x10, 0xc01]);
    expect(await enables(4)).toEqual([0x10, 0xc03]);
  });

  it('moves the ports of power management', async () => {
    const bus = await busOf([]);
    const control = (base: number): number => bus.portIn(base + 4, 2);
    expect([control(0x600), control(0x400)]).toEqual([1, 0xffff]);
    bus.mmioWrite(at(0, 0x1f, 0x40), 4, 0x401);
    expect([control(0x600), control(0x400)]).toEqual([0xffff, 1]);
    bus.mmioWrite(at(0, 0x1f, 0x44), 1, 0);
    expect(control(0x400)).toBe(0xffff);
  });

  it('has the chipset registers where its root complex base address says', async () => {
    const bus = await busOf([]);
    expect(bus.mmioRead(at(0, 0x1f, 0xf0), 4)).toBe(RCBA + 1);
    const read = (base: number): number[] => [0x3140, 0x3404, 0x3410].map((offset) => bus.mmioRead(base + offset, 4));
    expect(read(RCBA)).toEqual([0x3210_3210, 0x80, 0x20]);
    bus.mmioWrite(at(0, 0x1f, 0xf0), 4, 0xd000_0001);
    expect([read(RCBA), read(0xd000_0000)]).toEqual([
      [ONES, ONES, ONES],
      [0x3210_3210, 0x80, 0x20],
    ]);
  });

  it('of a pc says nothing of all that', async () => {
    const bus = await busOf([], { machine: 'pc' });
    expect([0x80, 0xf0].map((register) => bus.mmioRead(at(0, 0x1f, register), 4))).toEqual([0, 0]);
    expect(bus.portIn(0x604, 2)).toBe(1);
  });
});

describe('a root port', () => {
  let bus: Bus;

  beforeEach(async () => {
    bus = await busOf([
      { type: 'pcie-root-port', id: 'rp1', chassis: 1, slot: 5, addr: '4' },
      { type: 'pcie-root-port', id: 'rp2', chassis: 2, addr: '5' },
      { type: 'virtio-rng', bus: 'rp1' },
      { type: 'virtio-rng', bus: 'pcie.0', addr: '6' },
    ]);
  });

  it('is a bridge to a bus of its own, and the device behind it is there', () => {
    expect([4, 5, 6].map((slot) => bus.mmioRead(at(0, slot, 0), 4))).toEqual([ROOT_PORT, ROOT_PORT, RNG]);
    expect(bus.mmioRead(at(0, 4, 0x0a), 2)).toBe(0x0604);
    expect(bus.mmioRead(at(0, 4, 0x0e), 1)).toBe(1);
    expect([4, 5].map((slot) => bus.mmioRead(at(0, slot, 0x18), 4) & 0xff_ffff)).toEqual([0x01_0100, 0x02_0200]);
    expect([at(1, 0, 0), at(1, 1, 0), at(2, 0, 0)].map((place) => bus.mmioRead(place, 4))).toEqual([RNG, ONES, ONES]);
    bus.portOut(0xcf8, 4, 0x8001_0000);
    expect(bus.portIn(0xcfc, 4)).toBe(RNG);
  });

  it('finds the device by another number when it gets one', () => {
    bus.mmioWrite(at(0, 4, 0x19), 1, 7);
    expect([at(1, 0, 0), at(7, 0, 0)].map((place) => bus.mmioRead(place, 4))).toEqual([ONES, RNG]);
  });

  it('passes on what its window covers, while it is switched on', () => {
    const base = bus.mmioRead(at(1, 0, 0x10), 4);
    const answer = (): number => bus.mmioRead(base + 18, 2);
    const window = bus.mmioRead(at(0, 4, 0x20), 4);
    expect(answer()).toBe(1);
    bus.mmioWrite(at(0, 4, 0x20), 4, 0x0000_fff0);
    expect(answer()).toBe(0xffff);
    bus.mmioWrite(at(0, 4, 0x20), 4, window);
    expect(answer()).toBe(1);
    bus.mmioWrite(at(0, 4, 4), 2, 0);
    expect(answer()).toBe(0xffff);
  });

  it('passes on the prefetchable window as well, above 4 GiB too', () => {
    const base = bus.mmioRead(at(1, 0, 0x10), 4);
    bus.mmioWrite(at(0, 4, 0x20), 4, 0x0000_fff0);
    bus.mmioWrite(at(0, 4, 0x24), 4, (base >>> 16) | (base & 0xfff0_0000) | 0x0001_0001);
    expect(bus.mmioRead(base + 18, 2)).toBe(1);
    bus.mmioWrite(at(0, 4, 0x28), 4, 1);
    bus.mmioWrite(at(0, 4, 0x2c), 4, 1);
    expect(bus.mmioRead(base + 18, 2)).toBe(0xffff);
  });

  it('and its device have the capability of PCI Express, and extended space', () => {
    const [port, empty, endpoint] = [at(0, 4, 0), at(0, 5, 0), at(1, 0, 0)];
    const [inPort, inEmpty, inEndpoint] = [port, empty, endpoint].map((fn) => capabilityAt(bus, fn, 0x10));
    expect([inPort, inEndpoint].map((cap) => bus.mmioRead(cap + 2, 2))).toEqual([0x142, 2]);
    // Slot number 5; a card is present, and its link is up; in the other there is none.
    expect(bus.mmioRead(inPort + 20, 4) >>> 19).toBe(5);
    expect([inPort, inEmpty].map((cap) => bus.mmioRead(cap + 26, 2))).toEqual([0x40, 0]);
    expect([inPort, inEmpty].map((cap) => bus.mmioRead(cap + 18, 2) & 0x2000)).toEqual([0x2000, 0]);
    expect([port, endpoint, at(0, 6, 0)].map((fn) => bus.mmioRead(fn + 0x100, 4))).toEqual([0, 0, ONES]);
  });

  it('has the wires of its device at its own slot', () => {
    expect([at(0, 4, 0x3c), at(1, 0, 0x3c)].map((place) => bus.mmioRead(place, 2))).toEqual([0x10a, 0x10a]);
  });
});

it.each<[DeviceSpec[], Partial<MachineOptions>, RegExp]>([
  [[{ type: 'virtio-rng', bus: 'rp9' }], {}, /bus=rp9: there is no pcie-root-port with this id before it/],
  [[{ type: 'pcie-root-port', id: 'a' }], { machine: 'pc' }, /only machine q35 has PCI Express/],
  [
    [
      { type: 'pcie-root-port', id: 'a', chassis: 1 },
      { type: 'pcie-root-port', id: 'b', chassis: 1 },
    ],
    {},
    /id=b: chassis 1 has a slot 0 already/,
  ],
  [
    [
      { type: 'pcie-root-port', id: 'a' },
      { type: 'virtio-rng', bus: 'a', addr: '1' },
    ],
    {},
    /addr=1: a has slot 0 only/,
  ],
  [
    [
      { type: 'pcie-root-port', id: 'a' },
      { type: 'virtio-rng', bus: 'a' },
      { type: 'virtio-rng', bus: 'a' },
    ],
    {},
    /PCI address 0.0 belongs to virtio-rng/,
  ],
  [[{ type: 'virtio-rng-device', bus: 'a' }], {}, /bus=a is for the PCI bus/],
])('refuses %j', async (devices, more, message) => {
  await expect(busOf(devices, more)).rejects.toThrow(message);
});
