// Virtio over MMIO: discovery, negotiation, the status machine, interrupts, and what becomes of a driver that lies.
import { beforeEach, describe, expect, it } from 'vitest';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { SplitRing, type TestRam } from './driver.ts';
import { type Echo, echoDevice } from './echo.ts';
import { EVENT_IDX, INDIRECT, MmioDriver, PACKED, VERSION_1 } from './mmio-driver.ts';

const NEEDS_RESET = 0x40;
let echo: Echo;
let events: string[];
let driver: MmioDriver;

beforeEach(() => {
  echo = echoDevice();
  events = echo.events;
  driver = new MmioDriver(echo);
});

const ramOf = (): TestRam => driver.ram;

describe('virtio over MMIO', () => {
  it('shows what it is', () => {
    expect([Reg.MAGIC_VALUE, Reg.VERSION, Reg.DEVICE_ID].map((reg) => driver.get(reg))).toEqual([0x74726976, 2, 42]);
    expect(driver.offered).toBe((1n << 5n) | VERSION_1 | PACKED | INDIRECT | EVENT_IDX);
    driver.set(Reg.DEVICE_FEATURES_SEL, 2);
    expect(driver.get(Reg.DEVICE_FEATURES)).toBe(0);
  });

  it('tells the greatest size of each queue, zero where there is none', () => {
    const sizes = [0, 1, 2, 0xffffffff].map((index) => {
      driver.set(Reg.QUEUE_SEL, index);
      return driver.get(Reg.QUEUE_NUM_MAX);
    });
    expect(sizes).toEqual([64, 16, 0, 0]);
  });

  it('has no shared memory regions: their lengths read as all ones', () => {
    expect([driver.get(0xb0), driver.get(0xb4)]).toEqual([0xffffffff, 0xffffffff]);
  });

  it.each([
    ['the offered features', VERSION_1 | (1n << 5n), 11],
    ['VERSION_1 alone', VERSION_1, 11],
    ['no VERSION_1', 1n << 5n, 3],
    ['a feature that was not offered', VERSION_1 | (1n << 6n), 3],
  ])('answers %s with the right FEATURES_OK', (_what, features, status) => {
    expect(driver.negotiate(features)).toBe(status);
  });

  it.each([
    ['split', 0n],
    ['packed', PACKED],
    ['split with event index', EVENT_IDX],
    ['packed with event index', PACKED | EVENT_IDX],
  ])('carries a chain over a %s ring and interrupts until it is acknowledged', (_what, features) => {
    driver.up(features);
    const room = ramOf().room(4);
    expect(driver.request(1, [room])).toEqual([{ id: 0, written: 1 }]);
    expect(ramOf().at(room)[0]).toBe(0x55);
    expect([driver.irq, driver.get(Reg.INTERRUPT_STATUS)]).toEqual([true, 1]);
    driver.set(Reg.INTERRUPT_ACK, 1);
    expect([driver.irq, driver.get(Reg.INTERRUPT_STATUS)]).toEqual([false, 0]);
  });

  it('reads its configuration space in any width and lets the device take writes', () => {
    expect(driver.mmio.read(Reg.CONFIG + 1, 1)).toBe(2);
    expect(driver.mmio.read(Reg.CONFIG + 2, 2)).toBe(0x0403);
    expect(driver.mmio.read(Reg.CONFIG + 4, 4)).toBe(0x00070605);
    driver.mmio.write(Reg.CONFIG + 3, 2, 77);
    driver.mmio.write(Reg.CONFIG + 4, 4, 77);
    expect(events).toEqual(['config 3 2 77']);
  });

  it('announces a change of configuration with a new generation', () => {
    driver.up();
    const before = driver.get(Reg.CONFIG_GENERATION);
    echo.host.configChanged();
    expect(driver.get(Reg.CONFIG_GENERATION)).not.toBe(before);
    expect([driver.irq, driver.get(Reg.INTERRUPT_STATUS)]).toEqual([true, 2]);
  });

  it('looks for buffers at DRIVER_OK that were made available before', () => {
    driver.negotiate(VERSION_1);
    const ring = new SplitRing(ramOf());
    driver.enable(0, ring.layout);
    ring.offer([ramOf().room(1)]);
    driver.set(Reg.QUEUE_NOTIFY, 0);
    expect([ring.used(), echo.host.queue(0)]).toEqual([[], null]);
    driver.set(Reg.STATUS, 15);
    expect(ring.used()).toHaveLength(1);
  });

  it('is as new after a reset', () => {
    driver.up();
    driver.request(0, [ramOf().room(1)]);
    driver.set(Reg.STATUS, 0);
    driver.set(Reg.QUEUE_SEL, 0);
    expect([driver.get(Reg.STATUS), driver.get(Reg.QUEUE_READY), driver.get(Reg.INTERRUPT_STATUS)]).toEqual([0, 0, 0]);
    expect([driver.irq, events.at(-1)]).toEqual([false, 'reset']);
    expect(driver.up(PACKED).request(0, [ramOf().room(1)])).toEqual([{ id: 0, written: 1 }]);
  });

  it('goes on later when a turn reached its limits', () => {
    driver.up(0n, 16);
    const ring = driver.rings[0];
    for (let i = 0; i < 16; i++) ring.offer([ramOf().room(1)]);
    driver.set(Reg.QUEUE_NOTIFY, 0);
    expect([ring.used().length, driver.deferred.length]).toEqual([16, 1]);
    ring.offer([ramOf().room(1)]);
    driver.deferred[0]();
    expect(ring.used()).toHaveLength(1);
  });
});

describe('DEVICE_NEEDS_RESET', () => {
  const lies: [string, (ring: SplitRing) => void, RegExp][] = [
    ['a broken ring', (ring) => ring.avail(99), /descriptor 99/],
    ['a notification of a queue that does not exist', () => driver.set(Reg.QUEUE_NOTIFY, 7), /queue 7/],
    ['features after FEATURES_OK', () => driver.set(Reg.DRIVER_FEATURES, 0), /after FEATURES_OK/],
    ['status bits taken back', () => driver.set(Reg.STATUS, 7), /0x8 cleared/],
  ];

  it.each(lies)('answers %s, with one line and a configuration interrupt', (_what, lie, message) => {
    driver.up();
    lie(driver.rings[0] as SplitRing);
    driver.set(Reg.QUEUE_NOTIFY, 0);
    driver.set(Reg.QUEUE_NOTIFY, 0);
    expect(driver.get(Reg.STATUS) & NEEDS_RESET).toBe(NEEDS_RESET);
    expect(driver.log).toHaveLength(1);
    expect(driver.log[0]).toMatch(message);
    expect([driver.irq, driver.get(Reg.INTERRUPT_STATUS) & 2]).toEqual([true, 2]);
    expect(driver.up().request(0, [ramOf().room(1)])).toEqual([{ id: 0, written: 1 }]);
  });

  it.each([
    ['a queue that is too large', { size: 128 }, /size 128: the limit is 64/],
    ['a queue outside RAM', { desc: 1n << 40n }, /outside RAM/],
    ['a queue of no size', { size: 0 }, /queue size 0/],
  ])('answers %s', (_what, change, message) => {
    driver.negotiate(VERSION_1);
    driver.enable(0, { ...new SplitRing(ramOf()).layout, ...change });
    expect([driver.get(Reg.QUEUE_READY), driver.get(Reg.STATUS)]).toEqual([0, 11 | NEEDS_RESET]);
    expect(driver.log.join()).toMatch(message);
    expect(driver.irq).toBe(false);
  });

  it('answers a queue enabled before FEATURES_OK, and DRIVER_OK without it', () => {
    driver.enable(0, new SplitRing(ramOf()).layout);
    expect(driver.log.join()).toMatch(/before FEATURES_OK/);
    driver.set(Reg.STATUS, 0);
    driver.set(Reg.STATUS, 7);
    expect(driver.log.join()).toMatch(/DRIVER_OK without FEATURES_OK/);
  });

  it('is not the answer to an error of our own', () => {
    const own = new MmioDriver({
      ...echo,
      notify: () => {
        throw new TypeError('ours');
      },
    });
    expect(() => own.up()).toThrow('ours');
  });
});
