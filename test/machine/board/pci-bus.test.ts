// The PCI bus of the board: both ways to configuration space, what firmware leaves, ranges that move, wires and slots.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/core/types.ts';
import type { DeviceSpec } from '../../../src/machine/board/device-table.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { type FakeCore, fakeCore, forever, out } from '../fake-core.ts';

const ECAM = 0xe000_0000;
const RNG = 0x1044_1af4;
const ONES = 0xffff_ffff;
const at = (slot: number, fn: number, register: number): number => (slot << 15) | (fn << 12) | register;

async function makeMachine(devices: DeviceSpec[], program = [forever]) {
  const fake = fakeCore(program);
  const flat = { address: 0, mode: 16 } as const;
  const { createCore } = fake;
  const machine = await Machine.create({ kernel: Uint8Array.of(0), flat, memory: '1M', devices, createCore });
  return { machine, core: fake.core() };
}

describe('the PCI bus', () => {
  let core: FakeCore;
  let bus: Bus;
  const ecam = (slot: number, register: number): number => bus.mmioRead(ECAM + at(slot, 0, register), 4);
  const ports = (address: number): number => {
    bus.portOut(0xcf8, 4, address);
    return bus.portIn(0xcfc, 4);
  };

  beforeEach(async () => {
    ({ core } = await makeMachine([
      { type: 'virtio-rng' },
      { type: 'virtio-rng-pci', addr: '5' },
      { type: 'virtio-rng', addr: '5.3', vectors: 0 },
    ]));
    bus = core.bus;
  });

  it('has the bridges that firmware knows, in memory and by ports', () => {
    expect([ecam(0, 0), ecam(0x1f, 0)]).toEqual([0x29c0_8086, 0x2918_8086]);
    expect(ports(0x8000_0000)).toBe(0x29c0_8086);
    expect(ports(0x8000_f800)).toBe(0x2918_8086);
    expect([ports(0), ports(0x8001_0000), ports(0x8000_1100)]).toEqual([ONES, ONES, ONES]);
  });

  it('takes narrow accesses to the data port, and only whole ones to the address', () => {
    bus.portOut(0xcf8, 4, 0x8000_0000);
    expect([bus.portIn(0xcfe, 2), bus.portIn(0xcfd, 1)]).toEqual([0x29c0, 0x80]);
    bus.portOut(0xcf8, 2, 0x1234);
    expect(bus.portIn(0xcf8, 4)).toBe(0x8000_0000);
  });

  it('puts functions into the next slot, or where they are wanted', () => {
    expect([1, 3, 5].map((slot) => ecam(slot, 0))).toEqual([RNG, ONES, RNG]);
    expect(bus.mmioRead(ECAM + at(5, 3, 0), 4)).toBe(RNG);
    expect([1, 5].map((slot) => ecam(slot, 0x0c) & 0x80_0000)).toEqual([0, 0x80_0000]);
  });

  it('is found set up: ranges apart from each other and switched on, a line for each pin', () => {
    const bars = [1, 5].flatMap((slot) => [ecam(slot, 0x10), ecam(slot, 0x14)]);
    expect(new Set(bars).size).toBe(4);
    expect(Math.min(...bars)).toBeGreaterThanOrEqual(0xc000_0000);
    expect([1, 5].map((slot) => ecam(slot, 4) & 7)).toEqual([3, 3]);
    expect([1, 5].map((slot) => ecam(slot, 0x3c) & 0xffff)).toEqual([0x10a, 0x10a]);
    expect(bus.portIn(0x4d1, 1) & 0x0c).toBe(0x0c);
  });

  it('moves ranges while the guest runs; fixed devices keep their addresses', () => {
    const numQueues = (base: number): number => bus.mmioRead(base + 18, 2);
    const old = ecam(1, 0x10);
    expect(numQueues(old)).toBe(1);
    bus.mmioWrite(ECAM + at(1, 0, 0x10), 4, 0xd123_4000);
    expect([numQueues(old), numQueues(0xd123_4000)]).toEqual([0xffff, 1]);
    const hpet = bus.mmioRead(0xfed0_0000, 4);
    bus.mmioWrite(ECAM + at(1, 0, 0x10), 4, 0xfed0_0000);
    expect([bus.mmioRead(0xfed0_0000, 4), numQueues(0xd123_4000)]).toEqual([hpet, 0xffff]);
    bus.mmioWrite(ECAM + at(1, 0, 4), 2, 0);
    bus.mmioWrite(ECAM + at(1, 0, 0x10), 4, old);
    expect(numQueues(old)).toBe(0xffff);
  });

  it('moves configuration space with the register of the host bridge', () => {
    bus.mmioWrite(ECAM + 0x60, 4, 0xb000_0001);
    expect([bus.mmioRead(ECAM, 4), bus.mmioRead(0xb000_0000 + at(0x1f, 0, 0), 4)]).toEqual([ONES, 0x2918_8086]);
    bus.mmioWrite(0xb000_0060, 4, 0);
    expect(bus.mmioRead(0xb000_0000, 4)).toBe(ONES);
  });

  it('rotates wires from slot to slot, to pins 16 to 19 and to the lines that the ISA bridge says', () => {
    const pending = (): number => {
      bus.portOut(0xa0, 1, 0x0a);
      return bus.portIn(0xa0, 1) & 0x0c;
    };
    /** Notifies a queue that is not enabled: the device needs a reset, and interrupts to say so. */
    const interrupt = (base: number): void => {
      for (const status of [0, 1, 3]) bus.mmioWrite(base + 20, 1, status);
      bus.mmioWrite(base + 8, 4, 1);
      bus.mmioWrite(base + 12, 4, 1);
      for (const status of [11, 15]) bus.mmioWrite(base + 20, 1, status);
      bus.mmioWrite(base + 0x3000, 2, 0);
    };
    /** But for pin 2: what an 8254 drives before it is programmed is undefined. */
    const pins = (): number[] => [...core.pins].filter((pin) => pin !== 2);
    const base = ecam(1, 0x10);
    interrupt(base);
    // The PIC asks at pin 0, as on a PC.
    expect([pins(), pending()]).toEqual([[17, 0], 0x04]);
    bus.mmioWrite(ECAM + at(0x1f, 0, 0x61), 1, 11);
    expect(pending()).toBe(0x08);
    bus.mmioRead(base + 0x1000, 1);
    expect([pins(), pending()]).toEqual([[], 0]);
    interrupt(bus.mmioRead(ECAM + at(5, 3, 0x10), 4));
    expect(pins()).toEqual([17, 0]);
  });
});

describe('PCI addresses', () => {
  it.each([
    [[{ type: 'virtio-rng', addr: '20' }], /'20' is no PCI address/],
    [[{ type: 'virtio-rng', addr: '1f' }], /1f.0 belongs to isa-bridge/],
    [[{ type: 'virtio-rng', addr: '3.8' }], /'3.8' is no PCI address/],
    [[{ type: 'virtio-rng-device', addr: '3' }], /addr=3 is for the PCI bus/],
    [Array.from({ length: 31 }, () => ({ type: 'virtio-rng' })), /all 30 PCI slots are taken/],
  ])('are refused: %j', async (devices, message) => {
    await expect(makeMachine(devices as DeviceSpec[])).rejects.toThrow(message);
  });

  it('do not exist on a microvm', async () => {
    const { createCore } = fakeCore([forever]);
    const devices = [{ type: 'virtio-rng-pci' }] as const;
    const flat = { address: 0, mode: 16 } as const;
    const options = { kernel: Uint8Array.of(0), flat, memory: '1M', devices, createCore } as const;
    await expect(Machine.create({ ...options, machine: 'microvm' })).rejects.toThrow(/microvm has no PCI bus/);
  });
});

it('the reset register keeps its port within those of configuration space', async () => {
  const { machine } = await makeMachine([], [out(0xcf9, 2, 6), forever]);
  expect((await machine.run()).reason).toBe('reset');
});
