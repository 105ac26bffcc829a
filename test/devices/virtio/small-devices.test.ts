// Entropy device and balloon, driven over MMIO; and all small devices under noise.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { P9Server } from '../../../src/devices/p9/server.ts';
import { VirtioBalloon } from '../../../src/devices/virtio/balloon.ts';
import { VirtioBlk } from '../../../src/devices/virtio/blk.ts';
import { VirtioConsole } from '../../../src/devices/virtio/console.ts';
import type { VirtioDevice } from '../../../src/devices/virtio/device.ts';
import { VirtioInput } from '../../../src/devices/virtio/input.ts';
import { VirtioNet } from '../../../src/devices/virtio/net.ts';
import { virtioP9 } from '../../../src/devices/virtio/p9.ts';
import { virtioRng } from '../../../src/devices/virtio/rng.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { VirtioVsock } from '../../../src/devices/virtio/vsock.ts';
import { type NetBackend, type NetCard, NO_HOST } from '../../../src/net/backend.ts';
import { STATELESS } from '../../../src/saved.ts';
import { RAM_BYTES, TestRam } from './driver.ts';
import { MmioDriver } from './mmio-driver.ts';

const bytesOf = (string: string): Uint8Array => new TextEncoder().encode(string);
const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

describe('the entropy device', () => {
  it('fills every buffer', () => {
    const driver = new MmioDriver(virtioRng((bytes) => bytes.fill(0x5a))).up();
    const rooms = [driver.ram.room(3), driver.ram.room(5)];
    expect(driver.request(0, rooms)).toEqual([{ id: 0, written: 8 }]);
    expect(rooms.flatMap((room) => driver.ram.at(room))).toEqual(Array(8).fill(0x5a));
  });

  it('gives 64 KiB at a time, however much is asked', () => {
    const driver = new MmioDriver(virtioRng(() => {})).up();
    expect(driver.request(0, [{ gpa: 0x20000n, length: 0x20000, writable: true }])).toEqual([
      { id: 0, written: 65536 },
    ]);
  });

  it('gives nothing to a buffer that it cannot write', () => {
    const driver = new MmioDriver(virtioRng((bytes) => bytes.fill(1))).up();
    const part = driver.ram.put([7]);
    expect(driver.request(0, [part])).toEqual([{ id: 0, written: 0 }]);
    expect(driver.ram.at(part)).toEqual([7]);
  });
});

describe('the balloon', () => {
  const make = () => {
    const moves: string[] = [];
    const seen: [number, bigint][][] = [];
    const balloon = new VirtioBalloon({
      memory: new TestRam(),
      inflate: (pa) => moves.push(`+${pa.toString(16)}`),
      deflate: (pa) => moves.push(`-${pa.toString(16)}`),
      report: (pa, length) => moves.push(`free ${pa.toString(16)}+${length.toString(16)}`),
      stats: (values) => seen.push([...values]),
    });
    return { moves, seen, balloon, driver: new MmioDriver(balloon).up() };
  };

  it('announces its target and hears how much it got', () => {
    const { balloon, driver } = make();
    balloon.setTarget(1000);
    expect([driver.get(Reg.INTERRUPT_STATUS), driver.get(Reg.CONFIG)]).toEqual([2, 1000]);
    driver.set(Reg.CONFIG + 4, 900);
    driver.set(Reg.CONFIG, 5);
    expect([balloon.actual, driver.get(Reg.CONFIG)]).toEqual([900, 1000]);
  });

  it('takes pages and gives them back', () => {
    const { moves, driver } = make();
    driver.request(0, [driver.ram.put(words(2, 0x7f))]);
    driver.request(1, [driver.ram.put(words(0x7f))]);
    expect(moves).toEqual(['+2000', '+7f000', '-7f000']);
  });

  it('needs a reset after a page outside RAM', () => {
    const { moves, driver } = make();
    driver.request(0, [driver.ram.put(words(RAM_BYTES / 4096, 1))]);
    expect([moves, driver.get(Reg.STATUS) & 0x40]).toEqual([[], 0x40]);
    expect(driver.log.join()).toMatch(/outside RAM/);
  });

  it('hears which pages are free, of whole ones', () => {
    const { moves, driver } = make();
    const parts = [
      { gpa: 0x41000n, length: 0x2000, writable: true },
      { gpa: 0x50800n, length: 0x1800, writable: true },
      { gpa: 0x60800n, length: 0x1000, writable: true },
    ];
    expect(driver.request(4, parts)).toEqual([{ id: 0, written: 0 }]);
    expect(moves).toEqual(['free 41000+2000', 'free 51000+1000']);
  });

  it('hears of free pages on queue 3 from a driver that takes no hints, and not of hints', () => {
    const { moves, driver } = make();
    driver.request(3, [{ gpa: 0x41000n, length: 0x1000, writable: true }]);
    driver.up(1n << 3n);
    driver.request(3, [{ gpa: 0x42000n, length: 0x1000, writable: true }]);
    expect(moves).toEqual(['free 41000+1000']);
  });

  it('holds the statistics buffer until somebody asks', () => {
    const { seen, balloon, driver } = make();
    expect(balloon.requestStats()).toBe(false);
    const entry = driver.ram.put([4, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 5, 0, 1]);
    expect(driver.request(2, [entry])).toEqual([]);
    expect(seen).toEqual([[[4, 0x100000n]]]);
    expect([balloon.requestStats(), balloon.requestStats()]).toEqual([true, false]);
    expect(driver.rings[2].used()).toEqual([{ id: 0, written: 0 }]);
  });
});

describe('the 9P device', () => {
  const make = (): [MmioDriver, string[]] => {
    const seen: string[] = [];
    const service = {
      answer: (message: Uint8Array, room: number) => {
        seen.push(`${message} in ${room}`);
        return Uint8Array.of(11, 0, 0, 0, 7, 1, 0, 95, 0, 0, 0);
      },
      reset: () => seen.push('reset'),
      ...STATELESS,
    };
    return [new MmioDriver(virtioP9('host0', service)).up(), seen];
  };

  it('shows its tag, and gives a message over several buffers to the server', () => {
    const [driver, seen] = make();
    expect([0, 2, 3, 4, 5, 6].map((at) => driver.mmio.read(Reg.CONFIG + at, 1))).toEqual([5, ...bytesOf('host0')]);
    const parts = [
      driver.ram.put([8, 0, 0, 0]),
      driver.ram.put([120, 1, 0, 9]),
      driver.ram.room(4),
      driver.ram.room(9),
    ];
    expect(driver.request(0, parts)).toEqual([{ id: 0, written: 11 }]);
    expect([seen.at(-1), driver.ram.at(parts[3])]).toEqual(['8,0,0,0,120,1,0,9 in 13', [7, 1, 0, 95, 0, 0, 0, 0, 0]]);
  });

  it.each([
    ['no header', 6, 11],
    ['no room for an error', 7, 10],
  ])('needs a reset after a chain with %s', (_name, readable, writable) => {
    const [driver] = make();
    driver.request(0, [driver.ram.put(new Uint8Array(readable)), driver.ram.room(writable)]);
    expect([driver.get(Reg.STATUS) & 0x40, driver.log.length]).toEqual([0x40, 1]);
  });

  it('refuses tags that do not fit', () => {
    const service = { answer: () => new Uint8Array(11), reset: () => {}, ...STATELESS };
    for (const tag of ['', 't'.repeat(33)]) expect(() => virtioP9(tag, service)).toThrow(/1 to 32 bytes/);
  });
});

/** A cable whose other end is its beginning. */
function echo(): NetBackend {
  let card: NetCard | null = null;
  return {
    takesOffload: true,
    attach: (own) => {
      card = own;
    },
    send: (frame, offload) => void card?.receive(frame, offload),
  };
}
const clock = { now: () => 0n, timer: () => ({ deadline: null, arm: () => {}, cancel: () => {}, remove: () => {} }) };
const mac = Uint8Array.of(0x52, 0x54, 0, 0, 0, 1);

describe('a device under noise', () => {
  const devices: [string, () => VirtioDevice][] = [
    ['virtio-rng', () => virtioRng((bytes) => bytes.fill(0xa5))],
    ['virtio-blk', () => new VirtioBlk(ramDisk(new Uint8Array(4096)))],
    ['virtio-console', () => new VirtioConsole([{ isConsole: true, output: () => {} }])],
    ['virtio-serial', () => new VirtioConsole([null, { name: 'a', output: () => {} }])],
    ['virtio-input', () => new VirtioInput({ name: 'noise', events: new Map([[3, [0, 1]]]), most: 9 })],
    ['virtio-vsock', () => new VirtioVsock(3, () => () => {})],
    ['virtio-9p', () => virtioP9('tag', new P9Server(new MemoryTree()))],
    ['virtio-net', () => new VirtioNet({ backend: echo(), clock, host: NO_HOST, mac, gatherNs: 0 })],
    ['virtio-balloon', () => new VirtioBalloon({ memory: new TestRam(), inflate: () => {}, deflate: () => {} })],
  ];
  const registers = Object.values(Reg);
  const access = fc.record({
    offset: fc.oneof(fc.constantFrom(...registers), fc.nat(0x1ff)),
    width: fc.constantFrom(1, 2, 4, 4, 4, 4) as fc.Arbitrary<1 | 2 | 4>,
    value: fc.oneof(fc.nat(16), fc.constantFrom(0x1000, 0x5000, 0x9000, 15), fc.nat(0xffffffff)),
  });

  it.each(devices)('%s answers every access to its registers with a value of the width', (_name, make) => {
    const property = fc.property(fc.array(access, { maxLength: 60 }), fc.boolean(), (accesses, isUp) => {
      const driver = new MmioDriver(make());
      if (isUp) driver.up();
      for (const { offset, width, value } of accesses) {
        driver.mmio.write(offset, width, value % 2 ** (8 * width));
        const read = driver.mmio.read(offset, width);
        expect(read).toBeGreaterThanOrEqual(0);
        expect(read).toBeLessThan(2 ** (8 * width));
      }
    });
    fc.assert(property, { seed: 20261122, numRuns: 150 });
  });

  it.each(devices)('%s takes any chain within RAM, or needs a reset', (_name, make) => {
    const chunk = fc.record({ gpa: fc.bigInt(0x20000n, 0x70000n), length: fc.nat(0x2000) });
    const chain = fc.record({
      readable: fc.array(chunk, { maxLength: 3 }),
      writable: fc.array(chunk, { maxLength: 3 }),
    });
    const property = fc.property(fc.array(chain, { minLength: 1, maxLength: 4 }), fc.nat(2), (chains, index) => {
      const driver = new MmioDriver(make()).up();
      const queue = index % driver.rings.length;
      for (let at = 0x40000; at < 0x78000; at += 16) driver.ram.all[at] = at >> 4;
      for (const { readable, writable } of chains) {
        const parts = [...readable, ...writable.map((part) => ({ ...part, writable: true }))];
        if (parts.length > 0) driver.request(queue, parts);
      }
      expect(driver.get(Reg.STATUS) & 15).toBe(15);
      expect(driver.log.length).toBe(driver.get(Reg.STATUS) & 0x40 ? 1 : 0);
    });
    fc.assert(property, { seed: 20261122, numRuns: 150 });
  });
});
