// The input device: what it tells of itself, its events and its lights; and the keys that the machine gives it.
import { describe, expect, it } from 'vitest';
import { KEY_CODES } from '../../../src/devices/i8042-keys.ts';
import type { VirtioInput } from '../../../src/devices/virtio/input.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { VirtioKeyboard, VirtioTablet } from '../../../src/machine/board/rows/input.ts';
import { MmioDriver } from './mmio-driver.ts';

const [NAME, BITS, RANGE] = [1, 0x11, 0x12];
const [KEY, REL, ABS, LED] = [1, 2, 3, 0x11];
const [EVENTS, STATUS] = [0, 1];

function make<D extends VirtioInput>(device: D) {
  const driver = new MmioDriver(device).up();
  const ask = (select: number, subselect = 0): number[] => {
    driver.mmio.write(Reg.CONFIG, 1, select);
    driver.mmio.write(Reg.CONFIG + 1, 1, subselect);
    const size = driver.mmio.read(Reg.CONFIG + 2, 1);
    return Array.from({ length: size }, (_, at) => driver.mmio.read(Reg.CONFIG + 8 + at, 1));
  };
  const rooms = Array.from({ length: 8 }, () => driver.ram.room(8));
  for (const room of rooms) driver.request(EVENTS, [room]);
  /** Type, code and value of every event that came. */
  const events = (): number[][] =>
    driver.rings[EVENTS].used().map(({ id, written }) => {
      const bytes = driver.ram.at(rooms[id]).slice(0, written);
      const view = new DataView(Uint8Array.from(bytes).buffer);
      return [view.getUint16(0, true), view.getUint16(2, true), view.getInt32(4, true)];
    });
  return { device, driver, ask, events };
}
const isSet = (bits: number[], code: number): boolean => ((bits[code >> 3] ?? 0) & (1 << (code & 7))) !== 0;

describe('the keyboard over virtio', () => {
  it('tells its name, its keys and its lights, and nothing that it has not', () => {
    const { ask } = make(new VirtioKeyboard());
    expect(String.fromCharCode(...ask(NAME))).toBe('vmlaunch keyboard');
    const [KEY_A, KEY_F12, KEY_UP, KEY_RIGHTMETA, KEY_PAUSE] = [30, 88, 103, 126, 119];
    for (const key of [KEY_A, KEY_F12, KEY_UP, KEY_RIGHTMETA, KEY_PAUSE]) expect(isSet(ask(BITS, KEY), key)).toBe(true);
    expect([ask(BITS, LED), ask(BITS, REL), ask(RANGE, 0), ask(0), ask(0xff, 3)]).toEqual([[7], [], [], [], []]);
  });

  it('has a code of its own for every key', () => {
    const { ask } = make(new VirtioKeyboard());
    const bits = ask(BITS, KEY);
    const count = bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    expect(count).toBe(KEY_CODES.length);
  });

  it('reports keys, each report with its end', () => {
    const { device, events } = make(new VirtioKeyboard());
    device.key('KeyQ', true);
    device.key('ArrowLeft', false);
    expect(events()).toEqual([
      [KEY, 16, 1],
      [0, 0, 0],
      [KEY, 105, 0],
      [0, 0, 0],
    ]);
    expect(() => device.key('KeyÄ', true)).toThrow("key 'KeyÄ' is unknown");
  });

  it('takes lights from the driver', () => {
    const { device, driver } = make(new VirtioKeyboard());
    driver.request(STATUS, [driver.ram.put([LED, 0, 1, 0, 1, 0, 0, 0])]);
    expect([...device.lights]).toEqual([1]);
    driver.request(STATUS, [driver.ram.put([LED, 0, 1, 0, 0, 0, 0, 0])]);
    driver.request(STATUS, [driver.ram.put([LED, 0])]);
    expect([...device.lights]).toEqual([]);
  });

  it('loses whole reports where the driver takes none', () => {
    const { device, driver, events } = make(new VirtioKeyboard());
    for (let i = 0; i < 2000; i++) device.key('KeyA', i % 2 === 0);
    expect(events()).toHaveLength(8);
    driver.set(Reg.STATUS, 0);
    driver.up();
    expect(driver.request(EVENTS, [driver.ram.room(8)])).toEqual([]);
  });
});

describe('the tablet over virtio', () => {
  it('tells the range of its axes', () => {
    const { ask } = make(new VirtioTablet());
    expect([ask(BITS, ABS), ask(BITS, REL)]).toEqual([[3], [0, 1]]);
    expect([ask(RANGE, 0).slice(0, 8), ask(RANGE, 1).length, ask(RANGE, 2)]).toEqual([
      [0, 0, 0, 0, 0xff, 0x7f, 0, 0],
      20,
      [],
    ]);
  });

  it('reports places within its range, buttons and the wheel', () => {
    const { device, events } = make(new VirtioTablet());
    device.move(0.5, 2);
    device.button('middle', true);
    device.wheel(-1);
    expect(events().filter(([type]) => type !== 0)).toEqual([
      [ABS, 0, 0x4000],
      [ABS, 1, 0x7fff],
      [KEY, 0x112, 1],
      [REL, 8, -1],
    ]);
  });
});
