// Disks with requests under way, put down and gone on from plain data.
import { describe, expect, it } from 'vitest';
import type { BlkBackend } from '../../src/devices/backends.ts';
import { Admin, Io, Reg as NvmeReg, PAGE } from '../../src/devices/nvme/spec.ts';
import { BlkRequest, VirtioBlk } from '../../src/devices/virtio/blk.ts';
import { Reg } from '../../src/devices/virtio/transport-mmio.ts';
import { NvmeDriver } from '../devices/nvme/driver.ts';
import { EVENT_IDX, MmioDriver, PACKED } from '../devices/virtio/mmio-driver.ts';
import { twins } from './twins.ts';

const DISK = 2 ** 31;
const request = (type: number, sector: number): number[] => {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return [...new Uint8Array(view.buffer)];
};
/** A large disk that keeps nothing but a list of what is cleared. */
function counted(): { backend: BlkBackend; cleared: [number, number][] } {
  const cleared: [number, number][] = [];
  const nothing = (): void => {};
  const discard = (at: number, length: number): void => void cleared.push([at, length]);
  const methods = { read: nothing, write: nothing, flush: nothing, writeZeroes: nothing, discard };
  return { backend: { capacity: DISK, isReadOnly: false, answersAtOnce: true, ...methods }, cleared };
}

describe.each([
  ['a split ring', 0n],
  ['a packed ring', PACKED | EVENT_IDX],
])('virtio-blk behind %s', (_name, features) => {
  it('goes on with a discard of which pieces are done, and then with the requests behind it', () => {
    const make = () => {
      const { backend, cleared } = counted();
      const driver = new MmioDriver(new VirtioBlk(backend));
      return { driver, cleared, memory: driver.ram.all, parts: { disk: driver.mmio } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ driver }) => {
        driver.up((1n << 13n) | features);
        const range = new DataView(new ArrayBuffer(16));
        range.setUint32(8, DISK / 512, true);
        const parts = [request(BlkRequest.DISCARD, 0), [...new Uint8Array(range.buffer)]];
        driver.rings[0].offer([...parts.map((part) => driver.ram.put(part)), driver.ram.room(1)]);
        driver.rings[0].offer([driver.ram.put(request(BlkRequest.GET_ID, 0)), driver.ram.room(20), driver.ram.room(1)]);
        driver.set(Reg.QUEUE_NOTIFY, 0);
      },
      ({ driver, cleared }) => {
        const before = cleared.length;
        driver.set(Reg.INTERRUPT_ACK, 1);
        for (let turn = 0; turn < 100; turn++) driver.set(Reg.QUEUE_NOTIFY, 0);
        return { after: cleared.slice(before), ram: driver.ram.all.slice(0, 0x41000), irq: driver.irq };
      },
    );
    expect(moved).toEqual(unmoved);
    expect([unmoved.irq, unmoved.after.length > 0]).toEqual([true, true]);
  });
});

describe('virtio-blk', () => {
  it('is not put down while its backend is at work', async () => {
    let finish = (): void => {};
    const slow: BlkBackend = {
      ...counted().backend,
      answersAtOnce: false,
      read: () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    };
    const driver = new MmioDriver(new VirtioBlk(slow)).up();
    const [data, status] = [driver.ram.room(512), driver.ram.room(1)];
    driver.request(0, [driver.ram.put(request(BlkRequest.IN, 0)), data, status]);
    expect(() => driver.mmio.save()).toThrow('virtio-blk: the disk is at work');
    finish();
    await new Promise((resolve) => setTimeout(resolve));
    expect(driver.rings[0].used()).toHaveLength(1);
    expect(() => driver.mmio.save()).not.toThrow();
  });
});

describe('NVMe', () => {
  it('goes on with its queues, an event that is waited for, and a deallocation of which pieces are done', () => {
    const make = () => {
      const { backend, cleared } = counted();
      const driver = new NvmeDriver(backend);
      return { driver, cleared, memory: driver.all, parts: { nvme: driver.nvme } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ driver }) => {
        driver.up();
        driver.submit(0, { opcode: Admin.ASYNC_EVENT });
        const list = driver.pages();
        driver.view.setUint32(list + 4, DISK / 512, true);
        driver.submit(1, { opcode: Io.DATASET, nsid: 1, prp1: list, dwords: [0, 4] });
        driver.submit(1, { opcode: Io.FLUSH, nsid: 1 });
        driver.ring(0);
        driver.ring(1);
        driver.set(NvmeReg.INTMS, 4);
      },
      ({ driver, cleared }) => {
        const before = cleared.length;
        for (let turn = 0; turn < 50; turn++) driver.set(NvmeReg.DOORBELLS + 8, 2);
        driver.set(NvmeReg.DOORBELLS + 8, 999);
        return {
          after: cleared.slice(before),
          ram: driver.all.slice(0x10000, 0x10000 + 8 * PAGE),
          mask: driver.get(NvmeReg.INTMS),
        };
      },
    );
    expect(moved).toEqual(unmoved);
    expect([unmoved.after.length > 0, unmoved.mask]).toEqual([true, 4]);
  });
});
