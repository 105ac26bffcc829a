// Drivers that lie to the NVMe controller: a status for what is wrong with a command, a fatal status where there is no
// queue to say it in, and never an exception, a hang or an access outside RAM.
import { beforeEach, describe, expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { Admin, Io, PAGE, Reg, Status } from '../../../src/devices/nvme/spec.ts';
import { chances, pattern } from '../block/image-lab.ts';
import { NvmeDriver, RAM_BYTES, type Wish } from './driver.ts';

const BLOCKS = 64;
const ROUNDS = 400;
let disk: Uint8Array;
let driver: NvmeDriver;

beforeEach(() => {
  disk = pattern(BLOCKS * 512);
  driver = new NvmeDriver(ramDisk(disk)).up();
});

/** Dwords of a queue's creation. */
const queue = (id: number, size: number, eleven: number): number[] => [((size - 1) << 16) | id, eleven];
const read = (prp1: number, blocks: number, prp2 = 0): Wish => ({
  opcode: Io.READ,
  prp1,
  prp2,
  dwords: [0, 0, blocks - 1],
});

/** A page whose last entry names itself as the next list. */
function endlessList(): number {
  const at = driver.pages();
  for (let entry = at; entry < at + PAGE; entry += 8) driver.view.setBigUint64(entry, BigInt(at), true);
  return at;
}

describe('a command is refused', () => {
  it.each<[what: string, queue: number, wish: () => Wish, status: number]>([
    ['that nobody knows', 1, () => ({ opcode: 0x77 }), Status.INVALID_OPCODE],
    ['that is fused', 1, () => ({ opcode: Io.FLUSH, flags: 1 }), Status.INVALID_OPCODE],
    ['with a scatter list', 1, () => ({ opcode: Io.FLUSH, flags: 0x40 }), Status.INVALID_OPCODE],
    ['of the other set', 0, () => ({ opcode: 0x7f }), Status.INVALID_OPCODE],
    ['to another namespace', 1, () => ({ ...read(0x1000, 1), nsid: 2 }), Status.INVALID_NAMESPACE],
    ['to all namespaces where it reads', 1, () => ({ ...read(0x1000, 1), nsid: 0xffffffff }), Status.INVALID_NAMESPACE],
    ['behind the end', 1, () => ({ ...read(0x1000, 2), dwords: [BLOCKS - 1, 0, 1] }), Status.LBA_RANGE],
    ['at the last block there can be', 1, () => ({ opcode: Io.READ, dwords: [-1, -1, 0] }), Status.LBA_RANGE],
    ['that is too long', 1, () => ({ opcode: Io.WRITE, dwords: [0, 0, 0xffff] }), Status.LBA_RANGE],
    ['into no memory', 1, () => read(RAM_BYTES, 1), Status.DATA_TRANSFER],
    ['into no memory far away', 1, () => read(2 ** 52, 1), Status.DATA_TRANSFER],
    ['over the end of memory', 1, () => read(RAM_BYTES - PAGE + 3584, 2, RAM_BYTES), Status.DATA_TRANSFER],
    ['with an odd PRP entry 1', 1, () => read(0x1001, 1), Status.PRP_OFFSET],
    ['with a PRP entry 2 within a page', 1, () => read(0x1000, 16, 0x2200), Status.PRP_OFFSET],
    ['with a PRP list that is not aligned', 1, () => read(0x1000, 24, 0x2004), Status.PRP_OFFSET],
    ['with a PRP list in no memory', 1, () => read(0x1000, 24, RAM_BYTES), Status.DATA_TRANSFER],
    ['with a queue 0', 0, () => ({ opcode: Admin.CREATE_CQ, dwords: queue(0, 4, 3) }), Status.INVALID_QUEUE],
    ['with a queue too many', 0, () => ({ opcode: Admin.CREATE_CQ, dwords: queue(5, 4, 3) }), Status.INVALID_QUEUE],
    ['with a queue that exists', 0, () => ({ opcode: Admin.CREATE_CQ, dwords: queue(1, 4, 3) }), Status.INVALID_QUEUE],
    ['with a queue of one', 0, () => ({ opcode: Admin.CREATE_CQ, dwords: queue(2, 1, 3) }), Status.INVALID_SIZE],
    ['with a queue too long', 0, () => ({ opcode: Admin.CREATE_CQ, dwords: queue(2, 1025, 3) }), Status.INVALID_SIZE],
    ['with a queue in pieces', 0, () => ({ opcode: Admin.CREATE_CQ, dwords: queue(2, 4, 2) }), Status.INVALID_FIELD],
    [
      'with no such vector',
      0,
      () => ({ opcode: Admin.CREATE_CQ, dwords: queue(2, 4, 0x50003) }),
      Status.INVALID_VECTOR,
    ],
    [
      'with a queue within a page',
      0,
      () => ({ opcode: Admin.CREATE_CQ, prp1: 64, dwords: queue(2, 4, 3) }),
      Status.PRP_OFFSET,
    ],
    [
      'with no such completion queue',
      0,
      () => ({ opcode: Admin.CREATE_SQ, dwords: queue(2, 4, 0x20001) }),
      Status.INVALID_CQ,
    ],
    ['that deletes what is in use', 0, () => ({ opcode: Admin.DELETE_CQ, dwords: [1] }), Status.QUEUE_IN_USE],
    ['that deletes what is not there', 0, () => ({ opcode: Admin.DELETE_SQ, dwords: [4] }), Status.INVALID_QUEUE],
    ['that deletes the admin queue', 0, () => ({ opcode: Admin.DELETE_SQ, dwords: [0] }), Status.INVALID_QUEUE],
    ['with no such structure', 0, () => ({ opcode: Admin.IDENTIFY, dwords: [0x55] }), Status.INVALID_FIELD],
    ['with no such feature', 0, () => ({ opcode: Admin.GET_FEATURES, dwords: [0x80] }), Status.INVALID_FIELD],
    ['that saves a feature', 0, () => ({ opcode: Admin.SET_FEATURES, dwords: [0x8000_0006, 0] }), Status.NOT_SAVEABLE],
    ['with no such log', 0, () => ({ opcode: Admin.GET_LOG_PAGE, dwords: [0x55] }), Status.INVALID_LOG],
    ['with a log too long', 0, () => ({ opcode: Admin.GET_LOG_PAGE, dwords: [2, 0xffff] }), Status.INVALID_FIELD],
  ])('%s', (_what, to, wish, status) => {
    expect(driver.run(to, wish()).status).toBe(status);
    expect(driver.run(1, { opcode: Io.FLUSH }).status).toBe(Status.SUCCESS);
    expect(Buffer.compare(disk, pattern(BLOCKS * 512))).toBe(0);
  });

  it('with a transfer longer than the controller takes', () => {
    driver = new NvmeDriver(ramDisk(new Uint8Array(1 << 21))).up();
    expect(driver.run(1, { opcode: Io.READ, dwords: [0, 0, 1024] }).status).toBe(Status.INVALID_FIELD);
  });

  it('that writes a read-only disk', () => {
    driver = new NvmeDriver(ramDisk(disk, { isReadOnly: true })).up();
    for (const opcode of [Io.WRITE, Io.WRITE_ZEROES, Io.DATASET]) {
      expect(driver.run(1, { opcode, prp1: 0x1000, dwords: [0, 4, 0] }).status).toBe(Status.READ_ONLY);
    }
    expect(driver.run(1, { opcode: Io.FLUSH }).status).toBe(Status.SUCCESS);
  });

  it('that asks for too many events', () => {
    for (let count = 0; count < 4; count++) driver.submit(0, { opcode: Admin.ASYNC_EVENT });
    expect(driver.run(0, { opcode: Admin.ASYNC_EVENT }).status).toBe(Status.ASYNC_LIMIT);
  });
});

describe('a list of pages that never ends', () => {
  it('ends with the transfer', () => {
    driver = new NvmeDriver(ramDisk(new Uint8Array(1 << 20))).up();
    const list = endlessList();
    expect(driver.run(1, { ...read(0x1000, 1024, list + PAGE - 8) }).status).toBe(Status.SUCCESS);
  });
});

describe('a doorbell', () => {
  it.each([
    ['of no queue', 8 * 4, 1, 0x0001_0000],
    ['with a tail behind the queue', 8, 8, 0x0001_0100],
    ['with a head behind the tail', 12, 5, 0x0001_0100],
  ])('%s is an asynchronous event', (_what, offset, value, event) => {
    const cid = driver.submit(0, { opcode: Admin.ASYNC_EVENT });
    driver.ring(0);
    driver.set(Reg.DOORBELLS + offset, value);
    expect(driver.completions(0)).toMatchObject([{ cid, status: Status.SUCCESS, result: event }]);
  });
});

describe('the controller is fatally ill', () => {
  const enable = (prepare: () => void): void => {
    driver.set(Reg.CC, 0);
    prepare();
    driver.set(Reg.CC, 0x460001);
  };

  it.each([
    ['with admin queues of one', () => enable(() => driver.set(Reg.AQA, 0))],
    ['with an admin queue within a page', () => enable(() => driver.set(Reg.ASQ, 64))],
    [
      'with pages of another size',
      () => {
        driver.set(Reg.CC, 0);
        driver.set(Reg.CC, 0x460081);
      },
    ],
    [
      'with an admin queue in no memory',
      () => {
        enable(() => driver.set(Reg.ASQ, RAM_BYTES));
        driver.set(Reg.DOORBELLS, 1);
      },
    ],
    [
      'with completions to no memory',
      () => {
        driver.admin({ opcode: Admin.CREATE_CQ, prp1: 2 ** 40, dwords: queue(2, 4, 3) });
        driver.admin({ opcode: Admin.CREATE_SQ, prp1: 0, dwords: queue(2, 4, 0x20001) });
        driver.set(Reg.DOORBELLS + 16, 1);
      },
    ],
  ])('%s, and well after a reset', (_what, hurt) => {
    hurt();
    expect(driver.get(Reg.CSTS) & 2).toBe(2);
    expect(driver.log.join()).toMatch(/nvme: .*; it needs a reset/);
    driver.set(Reg.CC, 0);
    expect(driver.get(Reg.CSTS)).toBe(0);
    driver.all.fill(0);
    driver.up();
    expect(driver.run(1, { opcode: Io.FLUSH }).status).toBe(Status.SUCCESS);
  });
});

describe('noise', () => {
  it('in registers, queues and lists is survived', () => {
    const chance = chances(11);
    const interesting = [0, 1, 8, 0x1000, 0x11000, 0x12000, RAM_BYTES - PAGE, RAM_BYTES, 0xffffffff];
    const number = (): number => (chance(3) === 0 ? interesting[chance(interesting.length)] : chance(2 ** 32));
    let ready = 0;
    for (let round = 0; round < ROUNDS; round++) {
      driver = new NvmeDriver(ramDisk(disk)).up();
      for (let count = 0; count < 12; count++) {
        const to = chance(2);
        const pair = driver.queues[to];
        driver.submit(to, {
          opcode: chance(chance(2) ? 13 : 256),
          nsid: chance(3),
          prp1: number() + (chance(8) ? 0 : 2 ** 32 * chance(2 ** 20)),
          prp2: number(),
          dwords: Array.from({ length: 6 }, () => (chance(2) ? chance(8) : number())),
        });
        if (chance(4) === 0) driver.all[pair.submissions + chance(PAGE)] = chance(256);
        driver.ring(to);
        driver.set(Reg.DOORBELLS + 4 * chance(12), chance(10));
        if (chance(6) === 0) driver.set(4 * chance(16), number());
        driver.deferred.shift()?.();
      }
      for (let at = 0; at < 0x40; at += 4) expect(driver.get(at)).toBeGreaterThanOrEqual(0);
      if (driver.get(Reg.CSTS) === 1) ready++;
    }
    expect(ready).toBeGreaterThan(ROUNDS / 10);
    expect(disk.length).toBe(BLOCKS * 512);
  });
});
