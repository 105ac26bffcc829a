// The ports by which our firmware reaches disks: requests that are served, refused, late, and hostile.
import { describe, expect, it } from 'vitest';
import type { BlkBackend } from '../../src/devices/backends.ts';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { DiskStatus, FirmwareServices } from '../../src/devices/firmware-services.ts';
import { PlainMemory } from '../machine/plain-memory.ts';

const SECTOR = 512;
const READ = 0;
const WRITE = 1;

function lab(disk: BlkBackend = ramDisk(new Uint8Array(8 * SECTOR).fill(0x42))) {
  const memory = new PlainMemory(0x1_0000);
  const written: number[][] = [];
  const log: string[] = [];
  let passed = 0;
  const device = new FirmwareServices({
    disks: [disk],
    memory,
    wrote: (...range) => written.push(range),
    spend: (ns) => {
      passed += ns;
    },
    log: (line) => log.push(line),
  });
  const ask = (operation: number, sector: number, { disk = 0, count = 1, at = 0x1000 } = {}): number => {
    const request = new DataView(memory.bytes(0x500, 16).buffer, memory.bytes(0x500, 16).byteOffset, 16);
    request.setUint8(0, operation);
    request.setUint8(1, disk);
    request.setUint16(2, count, true);
    request.setUint32(4, at, true);
    request.setBigUint64(8, BigInt(sector), true);
    device.write(0, 4, 0x500);
    return device.read(4, 1);
  };
  return { memory, written, log, device, ask, passed: () => passed };
}

describe('a request', () => {
  it('reads sectors into memory, and says that memory was written', () => {
    const { ask, memory, written } = lab();
    expect(ask(READ, 7)).toBe(DiskStatus.DONE);
    expect(memory.bytes(0x1000, SECTOR)).toEqual(new Uint8Array(SECTOR).fill(0x42));
    expect(written).toEqual([[0x1000, SECTOR]]);
  });

  it('writes sectors', () => {
    const bytes = new Uint8Array(8 * SECTOR);
    const { ask, memory } = lab(ramDisk(bytes));
    memory.bytes(0x1000, SECTOR).fill(9);
    expect(ask(WRITE, 2)).toBe(DiskStatus.DONE);
    expect([bytes[2 * SECTOR - 1], bytes[2 * SECTOR], bytes[3 * SECTOR]]).toEqual([0, 9, 0]);
  });

  it.each([
    ['behind the last sector', READ, 8, {}, DiskStatus.NO_SECTOR],
    ['over the end', READ, 7, { count: 2 }, DiskStatus.NO_SECTOR],
    ['far behind it', READ, 2 ** 53, {}, DiskStatus.NO_SECTOR],
    ['of a disk that is not there', READ, 0, { disk: 1 }, DiskStatus.BAD_COMMAND],
    ['of no sectors', READ, 0, { count: 0 }, DiskStatus.BAD_COMMAND],
    ['that is none', 7, 0, {}, DiskStatus.BAD_COMMAND],
    ['into memory that is not there', READ, 0, { at: 0xffff_ff00 }, DiskStatus.BAD_ADDRESS],
  ] as const)('%s is refused', (_what, operation, sector, other, status) => {
    const { ask, written } = lab();
    expect(ask(operation, sector, other)).toBe(status);
    expect(written).toEqual([]);
  });

  it('at an address that is none is refused', () => {
    const { device } = lab();
    device.write(0, 4, 0xffff_fff8);
    expect(device.read(4, 1)).toBe(DiskStatus.BAD_ADDRESS);
  });

  it('to write on a disk that is for reading is refused', () => {
    expect(lab({ ...plainDisk(), isReadOnly: true }).ask(WRITE, 0)).toBe(DiskStatus.WRITE_PROTECTED);
  });

  it('that takes its time is busy, then done', async () => {
    const { ask, device, memory } = lab({
      ...plainDisk(),
      read: async (_offset, into) => {
        into.fill(3);
      },
    });
    expect(ask(READ, 0)).toBe(DiskStatus.BUSY);
    await new Promise((done) => setTimeout(done));
    expect([device.read(4, 1), memory.bytes(0x1000, 1)[0]]).toEqual([DiskStatus.DONE, 3]);
  });

  it('that was on its way at a reset writes nothing any more', async () => {
    const { ask, device, written } = lab({ ...plainDisk(), read: async () => {} });
    ask(READ, 0);
    device.reset();
    await new Promise((done) => setTimeout(done));
    expect(written).toEqual([]);
  });

  it('that the medium fails is told, to the guest and to people', async () => {
    const { ask, device, log } = lab({ ...plainDisk(), read: () => Promise.reject(new Error('bad medium')) });
    ask(READ, 0);
    await new Promise((done) => setTimeout(done));
    expect(device.read(4, 1)).toBe(DiskStatus.FAILED);
    expect(log).toEqual(['firmware: disk: bad medium']);
  });
});

it('as many microseconds pass as are written, a thousand at most', () => {
  const { device, passed } = lab();
  device.write(8, 4, 50);
  expect(passed()).toBe(50_000);
  device.write(8, 4, 5000);
  expect(passed()).toBe(1_050_000);
});

function plainDisk(): BlkBackend {
  return { capacity: 8 * SECTOR, isReadOnly: false, read() {}, write() {}, flush() {}, discard() {}, writeZeroes() {} };
}
