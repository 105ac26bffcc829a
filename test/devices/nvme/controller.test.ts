// The NVMe controller under an honest driver: identity, queues, transfers by page lists, interrupts, flushes.
import { beforeEach, describe, expect, it } from 'vitest';
import type { BlkBackend } from '../../../src/devices/backends.ts';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { Admin, Io, PAGE, Reg, Status } from '../../../src/devices/nvme/spec.ts';
import { pattern } from '../block/image-lab.ts';
import { NvmeDriver } from './driver.ts';

const BLOCKS = 2048;
const BLOCK = 512;
let disk: Uint8Array;
let driver: NvmeDriver;

function attach(backend: BlkBackend = ramDisk(disk)): void {
  driver = new NvmeDriver(backend).up();
}

beforeEach(() => {
  disk = pattern(BLOCKS * BLOCK);
  attach();
});

const text = (at: number, length: number): string => new TextDecoder().decode(driver.all.subarray(at, at + length));

function identify(cns: number, nsid = 0): number {
  const at = driver.pages();
  expect(driver.admin({ opcode: Admin.IDENTIFY, nsid, prp1: at, dwords: [cns] }).status).toBe(Status.SUCCESS);
  return at;
}

describe('the controller', () => {
  it('becomes ready when it is enabled, and forgets its queues when it is disabled', () => {
    expect(driver.get(Reg.CSTS)).toBe(1);
    expect([driver.get(Reg.CAP) & 0xffff, driver.nvme.read(Reg.VS + 2, 1)]).toEqual([1023, 1]);
    driver.set(Reg.CC, 0x460000);
    expect(driver.get(Reg.CSTS)).toBe(0);
    driver.submit(1, { opcode: Io.FLUSH });
    driver.ring(1);
    expect(driver.completions(1)).toEqual([]);
  });

  it('says that it has shut down, with the disk flushed', () => {
    let flushes = 0;
    attach(Object.assign(ramDisk(disk), { flush: () => void flushes++ }));
    driver.set(Reg.CC, 0x464001);
    expect([driver.get(Reg.CSTS), flushes]).toEqual([9, 1]);
  });

  it('tells who it is and what it has', () => {
    const controller = identify(1);
    expect(driver.view.getUint16(controller, true)).toBe(0x1234);
    expect(text(controller + 4, 20)).toBe('disk-7'.padEnd(20));
    expect([driver.all[controller + 512], driver.all[controller + 513]]).toEqual([0x66, 0x44]);
    const namespace = identify(0, 1);
    expect(driver.view.getBigUint64(namespace, true)).toBe(BigInt(BLOCKS));
    expect(driver.all[namespace + 130]).toBe(9);
    const active = identify(2);
    expect([...driver.all.subarray(active, active + 8)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
    const nobody = identify(0, 7);
    expect(driver.all.subarray(nobody, nobody + PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it('offers its pairs of queues, and keeps what features are set to', () => {
    expect(driver.admin({ opcode: Admin.SET_FEATURES, dwords: [7, 0x00ff00ff] }).result).toBe(0x30003);
    driver.admin({ opcode: Admin.SET_FEATURES, dwords: [0x0b, 0x1ff] });
    expect(driver.admin({ opcode: Admin.GET_FEATURES, dwords: [0x0b] }).result).toBe(0x1ff);
    expect(driver.admin({ opcode: Admin.GET_FEATURES, dwords: [6] }).result).toBe(1);
  });

  it('gives log pages in parts', () => {
    const at = driver.pages();
    driver.admin({ opcode: Admin.GET_LOG_PAGE, prp1: at, dwords: [2 | (1 << 16), 0, 0] });
    expect([driver.view.getUint16(at + 1, true), driver.all[at + 3], driver.all[at + 8]]).toEqual([303, 100, 0]);
    driver.all.fill(0xee, at, at + 16);
    driver.admin({ opcode: Admin.GET_LOG_PAGE, prp1: at, dwords: [2, 0, 4] });
    expect([...driver.all.subarray(at, at + 5)]).toEqual([10, 0, 0, 0, 0xee]);
  });

  it('interrupts by vector, and holds its pin until completions were seen and while it is not masked', () => {
    driver.signals.length = 0;
    driver.submit(1, { opcode: Io.FLUSH });
    driver.ring(1);
    expect([driver.signals, driver.pin]).toEqual([[1], true]);
    driver.set(Reg.INTMS, 1);
    expect([driver.pin, driver.get(Reg.INTMC)]).toEqual([false, 1]);
    driver.set(Reg.INTMC, 1);
    expect(driver.pin).toBe(true);
    driver.completions(1);
    expect(driver.pin).toBe(false);
  });

  it('stops while a completion queue is full, and goes on when there is room', () => {
    for (let count = 0; count < 7; count++) driver.submit(1, { opcode: Io.FLUSH });
    driver.ring(1);
    const first = driver.completions(1, false);
    driver.submit(1, { opcode: Io.FLUSH });
    driver.ring(1);
    expect([first.length, driver.completions(1, false).length]).toEqual([7, 0]);
    driver.set(Reg.DOORBELLS + 12, driver.queues[1].head);
    expect(driver.completions(1).length).toBe(1);
  });

  it('begins a limited number of commands in one access, and the rest a little later', () => {
    driver.addPair(2, 64);
    const reads = driver.pages();
    let begun = 0;
    Object.assign(driver.backend, { read: () => void begun++ });
    for (const queue of [1, 2]) {
      const most = driver.queues[queue].size - 1;
      for (let n = 0; n < most; n++) driver.submit(queue, { opcode: Io.READ, prp1: reads, dwords: [0, 0, 0] });
    }
    const { nvme, queues } = driver;
    nvme.write(Reg.DOORBELLS + 16, 4, queues[2].tail);
    expect([begun, driver.deferred.length]).toEqual([63, 0]);
    nvme.write(Reg.DOORBELLS + 8, 4, queues[1].tail);
    expect([begun, driver.deferred.length]).toEqual([70, 0]);
    driver.addPair(3, 128);
    for (let n = 0; n < 127; n++) driver.submit(3, { opcode: Io.READ, prp1: reads, dwords: [0, 0, 0] });
    nvme.write(Reg.DOORBELLS + 24, 4, queues[3].tail);
    expect([begun, driver.deferred.length]).toEqual([134, 1]);
    driver.deferred.shift()?.();
    expect(begun).toBe(197);
  });
});

describe('a transfer', () => {
  const page = (): number => driver.pages();

  it.each([
    ['within a page', 1, () => [0x40], () => 0],
    ['over two pages', 8, () => [page() + 512, page()], () => 0],
    ['by a list', 100, () => Array.from({ length: 13 }, page), () => 8],
    ['by a list that goes on in another page', 100, () => Array.from({ length: 13 }, page), () => PAGE - 16],
  ])('%s brings what the disk has, and back', (_how, blocks, makePages, listAt) => {
    const places = makePages();
    if (places[0] === 0x40) places[0] = page() + 0x40;
    const [prp1, ...rest] = places;
    const prp2 = rest.length > 1 ? writeList(rest, listAt()) : (rest[0] ?? 0);
    const wish = { prp1, prp2, dwords: [5, 0, blocks - 1] };
    expect(driver.run(1, { opcode: Io.READ, ...wish })).toMatchObject({ status: Status.SUCCESS, queue: 1 });
    const found = new Uint8Array(blocks * BLOCK);
    let done = 0;
    for (const at of places) {
      const part = driver.all.subarray(at, Math.min(at - (at % PAGE) + PAGE, at + found.length - done));
      found.set(part, done);
      expect(driver.wrote.some(([from, length]) => from <= at && from + length >= at + part.length)).toBe(true);
      part.fill(0xab);
      done += part.length;
    }
    expect(Buffer.compare(found, pattern(BLOCKS * BLOCK).subarray(5 * BLOCK, (5 + blocks) * BLOCK))).toBe(0);
    expect(driver.run(1, { opcode: Io.WRITE, ...wish }).status).toBe(Status.SUCCESS);
    expect(disk.subarray(5 * BLOCK, (5 + blocks) * BLOCK).every((byte) => byte === 0xab)).toBe(true);
    expect([disk[5 * BLOCK - 1], disk[(5 + blocks) * BLOCK]]).toEqual([
      pattern(5 * BLOCK)[5 * BLOCK - 1],
      pattern(BLOCKS * BLOCK)[(5 + blocks) * BLOCK],
    ]);
  });

  /** A list whose first part is at `offset` in its page; where the page ends its last entry names the next. */
  function writeList(pages: readonly number[], offset: number): number {
    const first = driver.pages();
    let at = first + offset;
    for (const [index, entry] of pages.entries()) {
      if (at % PAGE === PAGE - 8 && index < pages.length - 1) {
        const next = driver.pages();
        driver.view.setBigUint64(at, BigInt(next), true);
        at = next;
      }
      driver.view.setBigUint64(at, BigInt(entry), true);
      at += 8;
    }
    return first + offset;
  }

  it.each([
    ['a flush', { opcode: Io.FLUSH }, 1],
    ['a flush of all namespaces', { opcode: Io.FLUSH, nsid: 0xffffffff }, 1],
    ['a write', { opcode: Io.WRITE, dwords: [0, 0, 0] }, 0],
    ['a write with force unit access', { opcode: Io.WRITE, dwords: [0, 0, 0x4000_0000] }, 1],
  ])('ends stable after %s where that is meant', (_what, wish, expected) => {
    let flushes = 0;
    attach(Object.assign(ramDisk(disk), { flush: () => void flushes++ }));
    expect(driver.run(1, { prp1: driver.pages(), ...wish }).status).toBe(Status.SUCCESS);
    expect(flushes).toBe(expected);
  });

  it('ends stable while the write cache is off', () => {
    let flushes = 0;
    attach(Object.assign(ramDisk(disk), { flush: () => void flushes++ }));
    driver.admin({ opcode: Admin.SET_FEATURES, dwords: [6, 0] });
    driver.run(1, { opcode: Io.WRITE, prp1: driver.pages(), dwords: [0, 0, 0] });
    expect(flushes).toBe(1);
  });

  it('may be zeroes, and blocks may be deallocated', () => {
    expect(driver.run(1, { opcode: Io.WRITE_ZEROES, dwords: [3, 0, 1] }).status).toBe(Status.SUCCESS);
    expect(disk.subarray(3 * BLOCK, 5 * BLOCK).every((byte) => byte === 0)).toBe(true);
    const ranges: number[][] = [];
    attach(Object.assign(ramDisk(disk), { discard: (...range: number[]) => void ranges.push(range) }));
    const at = driver.pages();
    for (const [n, [block, blocks]] of [
      [7, 2],
      [20, 1],
    ].entries()) {
      driver.view.setUint32(at + 16 * n + 4, blocks, true);
      driver.view.setUint32(at + 16 * n + 8, block, true);
    }
    driver.run(1, { opcode: Io.DATASET, prp1: at, dwords: [1, 4] });
    expect(ranges).toEqual([
      [7 * BLOCK, 2 * BLOCK],
      [20 * BLOCK, BLOCK],
    ]);
  });

  it('from a backend that answers later is completed then, and not after a reset', async () => {
    const waiting: (() => void)[] = [];
    const later = (work: () => void): Promise<void> => new Promise((done) => waiting.push(() => done(work())));
    attach({
      capacity: disk.length,
      isReadOnly: false,
      read: (at, into) => later(() => into.set(disk.subarray(at, at + into.length))),
      write: () => later(() => {}),
      flush: () => later(() => {}),
      discard: () => {},
      writeZeroes: () => {},
    });
    const rooms = [driver.pages(), driver.pages()];
    const cids = rooms.map((prp1, n) => driver.submit(1, { opcode: Io.READ, prp1, dwords: [n, 0, 0] }));
    driver.ring(1);
    expect(driver.completions(1)).toEqual([]);
    waiting[1]();
    await new Promise(setImmediate);
    expect(driver.completions(1)).toMatchObject([{ cid: cids[1], status: 0 }]);
    expect(driver.all[rooms[1] + 9]).toBe(disk[BLOCK + 9]);
    driver.set(Reg.CC, 0);
    driver.all.fill(0, 0, 0x20000);
    waiting[0]();
    await new Promise(setImmediate);
    expect(driver.completions(1)).toEqual([]);
  });

  it('that the backend fails is a media error', () => {
    const fail = (): void => {
      throw new Error('the disk is on fire');
    };
    attach(Object.assign(ramDisk(disk), { read: fail, write: fail }));
    const wish = { prp1: driver.pages(), dwords: [0, 0, 0] };
    expect(driver.run(1, { opcode: Io.READ, ...wish }).status).toBe(Status.READ_ERROR);
    expect(driver.run(1, { opcode: Io.WRITE, ...wish }).status).toBe(Status.WRITE_FAULT);
    expect(driver.log.join()).toContain('the disk is on fire');
  });
});
