// The GPU device: pictures, their memory and what is shown; and every command that cannot be, answered by its error.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { VirtioGpu } from '../../../src/devices/virtio/gpu.ts';
import { Command, Response } from '../../../src/devices/virtio/gpu-spec.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { RAM_BYTES } from './driver.ts';
import { MmioDriver, PACKED } from './mmio-driver.ts';

const [CONTROL, CURSOR] = [0, 1];
const [BGRA, RGBX] = [1, 134];
const MIB = 1 << 20;
const MAX_BYTES = 2 * MIB;
const { OK_NODATA, ERR_UNSPEC, ERR_OUT_OF_MEMORY, ERR_INVALID_SCANOUT_ID, ERR_INVALID_RESOURCE_ID } = Response;
const { ERR_INVALID_PARAMETER } = Response;

let gpu: VirtioGpu;
let driver: MmioDriver;

beforeEach(() => {
  gpu = new VirtioGpu({ width: 640, height: 480, maxBytes: MAX_BYTES });
  driver = new MmioDriver(gpu).up();
});

const words = (...values: number[]): number[] =>
  values.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff));
const header = (type: number, flags = 0, fence = 0): number[] => words(type, flags, fence, 0, 0, 0);

/** Sends a command; returns the response as a view. */
function ask(bytes: readonly number[], queue = CONTROL, room = 512): DataView {
  const answer = driver.ram.room(room);
  driver.request(queue, [driver.ram.put(bytes), answer]);
  return new DataView(Uint8Array.from(driver.ram.at(answer)).buffer);
}
const say = (type: number, ...fields: number[]): number =>
  ask([...header(type), ...words(...fields)]).getUint32(0, true);

const create = (id: number, width: number, height: number, format: number = BGRA): number =>
  say(Command.RESOURCE_CREATE_2D, id, format, width, height);
const attach = (id: number, ...pieces: [gpa: number, length: number][]): number =>
  say(Command.RESOURCE_ATTACH_BACKING, id, pieces.length, ...pieces.flatMap(([gpa, length]) => [gpa, 0, length, 0]));
const transfer = (id: number, [x, y, w, h]: readonly number[], offset = 0, upper = 0): number =>
  say(Command.TRANSFER_TO_HOST_2D, x, y, w, h, offset, upper, id, 0);
const flush = (id: number, [x, y, w, h]: readonly number[]): number => say(Command.RESOURCE_FLUSH, x, y, w, h, id, 0);
const show = (id: number, [x, y, w, h]: readonly number[], scanout = 0): number =>
  say(Command.SET_SCANOUT, x, y, w, h, scanout, id);
const pixel = (x: number, y: number): number[] => {
  const { width, pixels } = gpu.picture();
  return [...pixels.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)];
};

describe('the GPU device', () => {
  it('tells of one screen and its size, and copies the fence of a command', () => {
    expect(driver.get(Reg.CONFIG + 8)).toBe(1);
    const answer = ask(header(Command.GET_DISPLAY_INFO, 1, 77));
    const [type, flags, fence] = [0, 4, 8].map((at) => answer.getUint32(at, true));
    expect([type, flags, fence]).toEqual([Response.OK_DISPLAY_INFO, 1, 77]);
    expect([24, 28, 32, 36, 40, 48 + 16].map((at) => answer.getUint32(at, true))).toEqual([0, 0, 640, 480, 1, 0]);
  });

  it('shows a resource once it is flushed, from memory in pieces of any size', () => {
    const image = Array.from({ length: 4 * 3 }, (_, n) => [n, 0x40 + n, 0x80 + n, 0]).flat();
    const [first, second, third] = [image.slice(0, 6), image.slice(6, 9), image.slice(9)].map((part) => {
      const { gpa, length } = driver.ram.put(part);
      return [Number(gpa), length] as [number, number];
    });
    expect(create(1, 4, 3)).toBe(OK_NODATA);
    expect(attach(1, first, [0, 0], second, third)).toBe(OK_NODATA);
    expect(gpu.isOn).toBe(false);
    expect(show(1, [0, 0, 4, 3])).toBe(OK_NODATA);
    expect(transfer(1, [0, 0, 4, 3])).toBe(OK_NODATA);
    expect(pixel(1, 0)).toEqual([0, 0, 0, 255]);
    expect(flush(1, [1, 0, 3, 3])).toBe(OK_NODATA);
    expect([pixel(0, 0), pixel(1, 0), pixel(3, 2)]).toEqual([
      [0, 0, 0, 255],
      [0x81, 0x41, 1, 255],
      [0x8b, 0x4b, 11, 255],
    ]);
    expect(gpu.picture()).toMatchObject({ width: 4, height: 3 });
  });

  it('copies a part of a picture from where its first pixel lies', () => {
    const image = Array.from({ length: 16 }, (_, n) => [n, n, n, n]).flat();
    const { gpa, length } = driver.ram.put(image);
    create(5, 4, 4, RGBX);
    attach(5, [Number(gpa), length]);
    expect(transfer(5, [1, 2, 2, 2], (2 * 4 + 1) * 4)).toBe(OK_NODATA);
    show(5, [0, 0, 4, 4]);
    const reds = Array.from({ length: 16 }, (_, n) => pixel(n % 4, n >> 2)[0]);
    expect(reds).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 10, 0, 0, 13, 14, 0]);
  });

  it('shows a part of a resource, and flushes what lies within it', () => {
    const { gpa, length } = driver.ram.put(new Array(64).fill(0xff));
    create(2, 4, 4);
    attach(2, [Number(gpa), length]);
    show(2, [2, 1, 2, 2]);
    transfer(2, [0, 0, 4, 4]);
    flush(2, [0, 0, 3, 2]);
    expect([pixel(0, 0)[0], pixel(1, 0)[0], pixel(0, 1)[0], pixel(1, 1)[0]]).toEqual([255, 0, 0, 0]);
    expect(flush(2, [0, 0, 1, 1])).toBe(OK_NODATA);
  });

  it('shows nothing when the scanout is switched off, its resource goes, or it is reset', () => {
    for (const end of [
      () => show(0, [0, 0, 0, 0]),
      () => say(Command.RESOURCE_UNREF, 1, 0),
      () => driver.set(Reg.STATUS, 0),
    ]) {
      driver.up();
      create(1, 16, 16);
      show(1, [0, 0, 16, 16]);
      expect(gpu.isOn).toBe(true);
      end();
      expect([gpu.isOn, gpu.picture().width]).toEqual([false, 640]);
    }
  });

  it('lays the cursor over the picture by its alpha, and takes commands for it without room for a response', () => {
    const { gpa, length } = driver.ram.put([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    create(1, 16, 16);
    show(1, [0, 0, 16, 16]);
    create(9, 2, 1);
    attach(9, [Number(gpa), length]);
    transfer(9, [0, 0, 2, 1]);
    const update = [...header(Command.UPDATE_CURSOR), ...words(0, 5, 6, 0, 9, 1, 2, 0)];
    expect(driver.request(CURSOR, [driver.ram.put(update)])).toEqual([{ id: 0, written: 0 }]);
    expect([pixel(4, 4), pixel(5, 4)]).toEqual([
      [255, 255, 255, 255],
      [0, 0, 0, 255],
    ]);
    const move = [...header(Command.MOVE_CURSOR), ...words(0, 0, 1, 0, 0, 0, 0, 0)];
    expect(ask(move, CURSOR).getUint32(0, true)).toBe(OK_NODATA);
    expect(pixel(4, 4)[0]).toBe(0);
    const hide = [...header(Command.UPDATE_CURSOR), ...words(0, 5, 6, 0, 0, 0, 0, 0)];
    ask(hide, CURSOR);
    expect(
      gpu
        .picture()
        .pixels.filter((_, at) => at % 4 !== 3)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  it('tells a new size of the screen by an event, which the driver clears', () => {
    gpu.resize(800, 600);
    expect([driver.get(Reg.CONFIG), driver.irq]).toEqual([1, true]);
    driver.set(Reg.CONFIG + 4, 1);
    expect(driver.get(Reg.CONFIG)).toBe(0);
    expect(ask(header(Command.GET_DISPLAY_INFO)).getUint32(32, true)).toBe(800);
  });

  it('goes on later when a turn moved more than it may', () => {
    gpu = new VirtioGpu({ width: 16, height: 16, maxBytes: 256 * MIB });
    driver = new MmioDriver(gpu).up();
    create(1, 4096, 4096);
    show(1, [0, 0, 4096, 4096]);
    for (let rest = driver.deferred.shift(); rest; rest = driver.deferred.shift()) rest();
    driver.rings[CONTROL].used();
    for (let n = 0; n < 3; n++) {
      driver.rings[CONTROL].offer([
        driver.ram.put([...header(Command.RESOURCE_FLUSH), ...words(0, 0, 4096, 4096, 1, 0)]),
      ]);
    }
    driver.set(Reg.QUEUE_NOTIFY, CONTROL);
    let turns = 1;
    const answers = driver.rings[CONTROL].used().length;
    for (let rest = driver.deferred.shift(); rest; rest = driver.deferred.shift(), turns++) rest();
    expect([answers, driver.rings[CONTROL].used().length]).toEqual([0, 3]);
    expect(turns).toBeGreaterThanOrEqual((3 * 64) / 4);
  });
});

describe('a command that cannot be', () => {
  beforeEach(() => {
    create(1, 64, 64);
    create(2, 8, 8);
    attach(2, [0x40000, 256]);
  });

  it.each<[string, () => number, number]>([
    ['of an unknown type', () => say(0x1ff), ERR_UNSPEC],
    ['of three dimensions', () => say(0x200, 1), ERR_UNSPEC],
    ['a resource 0', () => create(0, 1, 1), ERR_INVALID_RESOURCE_ID],
    ['a resource that is there', () => create(1, 1, 1), ERR_INVALID_RESOURCE_ID],
    ['an unknown format', () => create(3, 1, 1, 5), ERR_INVALID_PARAMETER],
    ['no width', () => create(3, 0, 1), ERR_INVALID_PARAMETER],
    ['a size beyond 32 bits', () => create(3, 0x8000_0000, 2), ERR_OUT_OF_MEMORY],
    ['a size beyond 64 bits', () => create(3, 0xffff_ffff, 0xffff_ffff), ERR_OUT_OF_MEMORY],
    ['a size above the limit', () => create(3, 1024, 513), ERR_OUT_OF_MEMORY],
    ['the end of what is not there', () => say(Command.RESOURCE_UNREF, 7, 0), ERR_INVALID_RESOURCE_ID],
    ['a scanout that is not there', () => show(1, [0, 0, 8, 8], 1), ERR_INVALID_SCANOUT_ID],
    ['a scanout of nothing', () => show(7, [0, 0, 8, 8]), ERR_INVALID_RESOURCE_ID],
    ['a scanout beyond its resource', () => show(1, [1, 0, 64, 1]), ERR_INVALID_PARAMETER],
    ['a scanout whose sums overflow', () => show(1, [0xffff_fff0, 0, 0x20, 1]), ERR_INVALID_PARAMETER],
    ['an empty scanout', () => show(1, [0, 0, 0, 8]), ERR_INVALID_PARAMETER],
    ['a flush beyond the resource', () => flush(1, [0, 64, 1, 1]), ERR_INVALID_PARAMETER],
    ['a flush of nothing', () => flush(7, [0, 0, 1, 1]), ERR_INVALID_RESOURCE_ID],
    ['a transfer without memory', () => transfer(1, [0, 0, 8, 8]), ERR_UNSPEC],
    ['a transfer beyond the resource', () => transfer(2, [0, 0, 9, 1]), ERR_INVALID_PARAMETER],
    ['a transfer behind its memory', () => transfer(2, [0, 0, 8, 8], 4), ERR_INVALID_PARAMETER],
    ['a transfer far behind its memory', () => transfer(2, [0, 0, 1, 1], 0, 0xffff_ffff), ERR_INVALID_PARAMETER],
    ['memory outside RAM', () => attach(1, [RAM_BYTES - 8, 16]), ERR_UNSPEC],
    ['memory that ends behind 2^64', () => say(Command.RESOURCE_ATTACH_BACKING, 1, 1, -1, -1, 64, 0), ERR_UNSPEC],
    ['no memory', () => attach(1), ERR_UNSPEC],
    ['more pieces than it brings', () => say(Command.RESOURCE_ATTACH_BACKING, 1, 2, 0, 0, 64, 0), ERR_UNSPEC],
    ['very many pieces', () => say(Command.RESOURCE_ATTACH_BACKING, 1, 0xffff_ffff, 0, 0, 64, 0), ERR_UNSPEC],
    ['memory twice', () => attach(2, [0x40000, 256]), ERR_UNSPEC],
    ['memory for nothing', () => attach(7, [0x40000, 256]), ERR_INVALID_RESOURCE_ID],
    ['a cursor of nothing', () => say(Command.UPDATE_CURSOR, 0, 0, 0, 0, 7, 0, 0, 0), ERR_INVALID_RESOURCE_ID],
    ['a cursor on no screen', () => say(Command.MOVE_CURSOR, 3, 0, 0, 0, 0, 0, 0, 0), ERR_INVALID_SCANOUT_ID],
  ])('%s', (_what, command, response) => {
    expect(command()).toBe(response);
    expect(driver.log).toEqual([]);
  });

  it('that is too short for a header', () => {
    expect(ask([1, 2, 3]).getUint32(0, true)).toBe(ERR_UNSPEC);
    expect(ask([]).getUint32(0, true)).toBe(ERR_UNSPEC);
  });
});

it('resources give their room back, small ones more than their pixels', () => {
  const fill = (): number => {
    let count = 0;
    while (create(100 + count, 1, 1) === OK_NODATA) count++;
    return count;
  };
  driver = new MmioDriver((gpu = new VirtioGpu({ width: 16, height: 16, maxBytes: 41_020 }))).up();
  expect(fill()).toBe(10);
  expect(attach(100, [0x40000, 4])).toBe(OK_NODATA);
  expect(attach(101, [0x40000, 4])).toBe(ERR_OUT_OF_MEMORY);
  expect(say(Command.RESOURCE_DETACH_BACKING, 100, 0)).toBe(OK_NODATA);
  for (let id = 100; id < 110; id++) expect(say(Command.RESOURCE_UNREF, id, 0)).toBe(OK_NODATA);
  expect(fill()).toBe(10);
});

it('no sequence of commands leads out of the device', () => {
  const types = fc.constantFrom(...Object.values(Command));
  const value = fc.oneof(fc.nat(5), fc.nat(0x50000), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff));
  const command = fc.tuple(types, fc.array(value, { maxLength: 12 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), fc.boolean(), (commands, isPacked) => {
      gpu = new VirtioGpu({ width: 16, height: 16, maxBytes: MAX_BYTES });
      driver = new MmioDriver(gpu).up(isPacked ? PACKED : 0n);
      create(1, 8, 8);
      attach(1, [0x40000, 256]);
      for (const [type, fields, isCursor] of commands) {
        const answer = ask([...header(type), ...words(...fields)], isCursor ? CURSOR : CONTROL, 24);
        expect(answer.getUint32(0, true) >> 8).toBeGreaterThanOrEqual(0x11);
      }
      gpu.picture();
      expect(driver.log).toEqual([]);
    }),
    { seed: 16, numRuns: 200 },
  );
});
