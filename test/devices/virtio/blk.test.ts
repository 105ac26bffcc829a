// The block device over both rings: every request type, its errors as status bytes, and backends that answer later.
import { beforeEach, describe, expect, it } from 'vitest';
import type { BlkBackend } from '../../../src/devices/backends.ts';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { VirtioBlk } from '../../../src/devices/virtio/blk.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import type { Part } from './driver.ts';
import { MmioDriver, PACKED } from './mmio-driver.ts';

const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13];
const [OK, IOERR, UNSUPP, UNTOUCHED] = [0, 1, 2, 0xee];
const SECTORS = 64;
let disk: Uint8Array;
let driver: MmioDriver;
let errors: unknown[];

function attach(backend: BlkBackend, features = 0n): void {
  errors = [];
  driver = new MmioDriver(new VirtioBlk(backend, { serial: 'disk-7', onError: (error) => errors.push(error) }));
  driver.up(features);
}

function header(type: number, sector: number | bigint): Part {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, type, true);
  new DataView(bytes.buffer).setBigUint64(8, BigInt(sector), true);
  return driver.ram.put(bytes);
}

function range(sector: number, sectors: number, flags = 0): Part {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, sectors, true);
  view.setUint32(12, flags, true);
  return driver.ram.put(bytes);
}

const statusRoom = (): Part => ({ ...driver.ram.put([UNTOUCHED]), writable: true });

/** Sends a request and returns its status. */
function request(type: number, sector: number | bigint, ...data: Part[]): number {
  const status = statusRoom();
  driver.request(0, [header(type, sector), ...data, status]);
  return driver.ram.at(status)[0];
}

beforeEach(() => {
  disk = Uint8Array.from({ length: 512 * SECTORS }, (_, at) => (at >> 9) + 1);
  attach(ramDisk(disk));
});

describe.each([
  ['split', 0n],
  ['packed', PACKED],
])('the block device on a %s ring', (_name, ring) => {
  beforeEach(() => attach(ramDisk(disk), ring));

  it('reads and writes sectors, scattered over buffers', () => {
    const parts = [driver.ram.room(500), driver.ram.room(524)];
    expect(request(IN, 2, ...parts)).toBe(OK);
    const bytes = parts.flatMap((part) => driver.ram.at(part));
    expect([bytes[0], bytes[511], bytes[512], bytes[1023]]).toEqual([3, 3, 4, 4]);
    const data = [driver.ram.put(new Uint8Array(100).fill(8)), driver.ram.put(new Uint8Array(412).fill(9))];
    expect(request(OUT, 5, ...data)).toBe(OK);
    expect([4, 5, 6].map((sector) => disk[512 * sector])).toEqual([5, 8, 7]);
    expect(disk[512 * 6 - 1]).toBe(9);
  });
});

describe('the block device', () => {
  it('tells its capacity in sectors', () => {
    expect([driver.get(Reg.CONFIG), driver.get(Reg.CONFIG + 4)]).toEqual([SECTORS, 0]);
  });

  it('counts the status byte among the bytes written', () => {
    const parts = [header(IN, 0), driver.ram.room(512), statusRoom()];
    expect(driver.request(0, parts)).toEqual([{ id: 0, written: 513 }]);
  });

  it('tells its serial number, padded with zeros to twenty bytes', () => {
    const room = driver.ram.room(20);
    expect(request(GET_ID, 0, room)).toBe(OK);
    expect(String.fromCharCode(...driver.ram.at(room))).toBe('disk-7'.padEnd(20, '\0'));
  });

  it.each([
    ['writes zeroes', 0],
    ['writes zeroes and may unmap', 1],
  ])('%s', (_what, flags) => {
    expect(request(WRITE_ZEROES, 0, range(3, 2, flags))).toBe(OK);
    expect([2, 3, 4, 5].map((sector) => disk[512 * sector])).toEqual([3, 0, 0, 6]);
  });

  it('tells the backend what is discarded, and whether zeroes may be unmapped', () => {
    const calls: unknown[] = [];
    const backend = Object.assign(ramDisk(disk), {
      discard: (...range: number[]) => calls.push(range),
      writeZeroes: (...range: unknown[]) => calls.push(range),
    });
    attach(backend);
    request(DISCARD, 0, range(3, 2));
    request(WRITE_ZEROES, 0, range(4, 1, 1));
    expect(calls).toEqual([
      [1536, 1024],
      [2048, 512, true],
    ]);
  });

  it('lets its backend fill guest memory where it lies', () => {
    const read = (_at: number, into: Uint8Array): void => {
      expect(into.buffer).toBe(driver.ram.all.buffer);
      into.fill(7);
    };
    attach(Object.assign(ramDisk(disk), { read }));
    const room = driver.ram.room(1024);
    expect(request(IN, 0, room)).toBe(OK);
    expect(new Set(driver.ram.at(room))).toEqual(new Set([7]));
  });

  describe('makes writes stable', () => {
    const flushes = (features: bigint, prepare = () => {}): number => {
      let count = 0;
      attach(Object.assign(ramDisk(disk), { flush: () => void count++ }), features);
      prepare();
      request(OUT, 0, driver.ram.put(new Uint8Array(512)));
      return count;
    };
    const [FLUSHES, CONFIG_WCE] = [1n << 9n, 1n << 11n];
    const writeThrough = (): void => driver.mmio.write(Reg.CONFIG + 32, 1, 0);

    it.each([
      ['at once for a driver that cannot flush', 0n, () => {}, 1],
      ['when told to by a driver that can', FLUSHES, () => {}, 0],
      ['at once for a driver that chose write-through', FLUSHES | CONFIG_WCE, writeThrough, 1],
      ['when told to where the choice was not negotiated', FLUSHES, writeThrough, 0],
    ])('%s', (_when, features, prepare, count) => expect(flushes(features, prepare)).toBe(count));
  });

  it.each([
    ['a read at the end', () => request(IN, SECTORS, driver.ram.room(512)), IOERR],
    ['a read over the end', () => request(IN, SECTORS - 1, driver.ram.room(1024)), IOERR],
    ['a read of the last sector there can be', () => request(IN, 2n ** 64n - 1n, driver.ram.room(512)), IOERR],
    ['a read of half a sector', () => request(IN, 0, driver.ram.room(256)), IOERR],
    ['a write over the end', () => request(OUT, SECTORS, driver.ram.put(new Uint8Array(512))), IOERR],
    ['a discard over the end', () => request(DISCARD, 0, range(SECTORS - 1, 2)), IOERR],
    ['a discard with the unmap flag', () => request(DISCARD, 0, range(0, 1, 1)), UNSUPP],
    ['two ranges', () => request(WRITE_ZEROES, 0, range(0, 1), range(1, 1)), UNSUPP],
    ['a request that nobody knows', () => request(99, 0), UNSUPP],
  ])('answers %s with a status byte and changes nothing', (_what, send, status) => {
    const before = disk.slice();
    expect(send()).toBe(status);
    expect(disk).toEqual(before);
    expect(driver.get(Reg.STATUS)).toBe(15);
  });

  it('says that it is read-only and refuses to be written', () => {
    attach(ramDisk(disk, { isReadOnly: true }));
    expect(driver.offered & (1n << 5n)).toBe(1n << 5n);
    expect(driver.offered & (1n << 13n)).toBe(0n);
    expect(request(OUT, 0, driver.ram.put(new Uint8Array(512)))).toBe(IOERR);
    expect(request(WRITE_ZEROES, 0, range(0, 1))).toBe(IOERR);
    expect(request(IN, 0, driver.ram.room(512))).toBe(OK);
  });

  it.each([
    ['a header of fifteen bytes', () => [driver.ram.put(new Uint8Array(15)), statusRoom()], /header of 15 bytes/],
    ['no room for the status', () => [header(IN, 0)], /no room for its status/],
  ])('needs a reset after %s', (_what, parts, message) => {
    driver.request(0, parts());
    expect(driver.get(Reg.STATUS)).toBe(15 | 0x40);
    expect(driver.log.join()).toMatch(message);
  });
});

/** A backend whose answers come when the test says so. */
class SlowBackend implements BlkBackend {
  readonly waiting: PromiseWithResolvers[] = [];
  readonly isReadOnly = false;
  readonly capacity = disk.length;

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#later(() => into.set(disk.subarray(offset, offset + into.length)));
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#later(() => disk.set(from, offset));
  }

  flush(): Promise<void> {
    return this.#later(() => {});
  }

  discard(): void {}

  writeZeroes(): void {}

  #later(work: () => void): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ reject, resolve: () => resolve(work()) }));
  }
}

interface PromiseWithResolvers {
  resolve: () => void;
  reject: (error: Error) => void;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a backend that answers later', () => {
  let slow: SlowBackend;
  beforeEach(() => {
    slow = new SlowBackend();
    attach(slow, 1n << 9n);
  });

  it('may finish requests in another order', async () => {
    const rooms = [driver.ram.room(512), driver.ram.room(512)];
    const status = statusRoom();
    expect(driver.request(0, [header(IN, 0), rooms[0], status])).toEqual([]);
    expect(driver.request(0, [header(IN, 1), rooms[1], status])).toEqual([]);
    slow.waiting[1].resolve();
    await settle();
    expect(driver.rings[0].used()).toEqual([{ id: 3, written: 513 }]);
    expect([driver.ram.at(rooms[0])[0], driver.ram.at(rooms[1])[0], driver.irq]).toEqual([0, 2, true]);
    slow.waiting[0].resolve();
    await settle();
    expect(driver.rings[0].used()).toEqual([{ id: 0, written: 513 }]);
  });

  it('is waited for', async () => {
    const work: Promise<unknown>[] = [];
    driver = new MmioDriver(new VirtioBlk(slow, { busy: (promise) => work.push(promise) }));
    driver.up();
    driver.request(0, [header(IN, 0), driver.ram.room(512), statusRoom()]);
    expect(work.length).toBe(1);
    slow.waiting[0].resolve();
    await work[0];
    expect(driver.rings[0].used()).toEqual([{ id: 0, written: 513 }]);
  });

  it('completes a flush no sooner than the backend', async () => {
    const status = statusRoom();
    expect(driver.request(0, [header(FLUSH, 0), status])).toEqual([]);
    expect(driver.ram.at(status)).toEqual([UNTOUCHED]);
    slow.waiting[0].resolve();
    await settle();
    expect([driver.rings[0].used().length, driver.ram.at(status)[0]]).toEqual([1, OK]);
  });

  it('fails one request, not the device', async () => {
    const [room, status] = [driver.ram.room(512), statusRoom()];
    driver.request(0, [header(IN, 0), room, status]);
    slow.waiting[0].reject(new Error('the disk is on fire'));
    await settle();
    expect([driver.ram.at(status)[0], driver.ram.at(room)[0]]).toEqual([IOERR, 0]);
    expect([errors.join(), driver.get(Reg.STATUS)]).toEqual(['Error: the disk is on fire', 15]);
  });

  it('writes nothing to the memory of a driver that has reset the device', async () => {
    const [room, status] = [driver.ram.room(512), statusRoom()];
    driver.request(0, [header(IN, 0), room, status]);
    driver.up();
    slow.waiting[0].resolve();
    await settle();
    expect([driver.ram.at(room)[0], driver.ram.at(status)[0], driver.rings[0].used()]).toEqual([0, UNTOUCHED, []]);
  });
});
