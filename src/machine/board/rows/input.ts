/** Keyboard and tablet over virtio; `machine.device(id)` is what the embedder presses and moves. */
import { check, isNumber, isOneOf } from '../../../checks.ts';
import { KEY_CODES, set1Code } from '../../../devices/i8042-keys.ts';
import { EventType, VirtioInput } from '../../../devices/virtio/input.ts';
import type { Doors } from '../../../doors.ts';
import { virtio } from './virtio.ts';

/** Linux's key codes are those of scan code set 1; of those behind its prefix, these are the first halves by code. */
const EXTENDED: Readonly<Record<number, number>> = {
  28: 96,
  29: 97,
  53: 98,
  55: 99,
  56: 100,
  71: 102,
  72: 103,
  73: 104,
  75: 105,
  77: 106,
  79: 107,
  80: 108,
  81: 109,
  82: 110,
  83: 111,
  91: 125,
  92: 126,
  93: 127,
};
const PAUSE = 119;
const LIGHTS = [0, 1, 2];
const Button = { left: 0x110, right: 0x111, middle: 0x112 } as const;
const Axis = { X: 0, Y: 1 } as const;
const WHEEL = 8;
/** Tablets measure in parts of this. */
export const TABLET_MOST = 0x7fff;

function linuxKey(code: string): number {
  if (code === 'Pause') return PAUSE;
  const set1 = set1Code(code);
  return set1 & 0x100 ? EXTENDED[set1 & 0xff] : set1;
}

export class VirtioKeyboard extends VirtioInput {
  constructor(doors?: Doors) {
    const keys = KEY_CODES.map(linuxKey);
    const events = [
      [EventType.KEY, keys],
      [EventType.LED, LIGHTS],
      [EventType.REP, []],
    ] as const;
    super({ name: 'vmlaunch keyboard', events: new Map<number, readonly number[]>(events) }, doors);
  }

  /** Presses or releases a key by its KeyboardEvent.code. Throws RangeError for a key that is not there. */
  key(code: string, isDown: boolean): void {
    this.report([EventType.KEY, linuxKey(code), Number(isDown)]);
  }
}

export class VirtioTablet extends VirtioInput {
  constructor(doors?: Doors) {
    const events = [
      [EventType.KEY, Object.values(Button)],
      [EventType.REL, [WHEEL]],
      [EventType.ABS, Object.values(Axis)],
    ] as const;
    super({ name: 'vmlaunch tablet', events: new Map<number, readonly number[]>(events), most: TABLET_MOST }, doors);
  }

  /** Moves to a place, from 0 at the left and the top to 1. */
  move(x: number, y: number): void {
    for (const [name, value] of Object.entries({ x, y })) check(`tablet.move: ${name}`, value, isNumber);
    const part = (value: number): number => Math.round(Math.max(0, Math.min(1, value)) * TABLET_MOST);
    this.report([EventType.ABS, Axis.X, part(x)], [EventType.ABS, Axis.Y, part(y)]);
  }

  button(name: keyof typeof Button, isDown: boolean): void {
    check('tablet.button', name, isOneOf(...Object.keys(Button)));
    this.report([EventType.KEY, Button[name], Number(isDown)]);
  }

  /** Turns the wheel, away from the user where positive. */
  wheel(steps: number): void {
    check('tablet.wheel', steps, isNumber);
    this.report([EventType.REL, WHEEL, steps]);
  }
}

export const virtioKeyboard = virtio({
  name: 'virtio-keyboard',
  about: 'a keyboard over virtio',
  properties: {},
  make: ({ doors }) => new VirtioKeyboard(doors),
});

export const virtioTablet = virtio({
  name: 'virtio-tablet',
  about: 'a pointer with absolute coordinates',
  properties: {},
  make: ({ doors }) => new VirtioTablet(doors),
});
