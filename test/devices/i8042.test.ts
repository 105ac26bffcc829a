// The keyboard controller with its keyboard and mouse, as a driver at ports 0x60 and 0x64 sees them.
import { beforeEach, describe, expect, it } from 'vitest';
import { I8042 } from '../../src/devices/i8042.ts';
import { KEY_CODES, keyOf, scanCodes } from '../../src/devices/i8042-keys.ts';

const [FULL, FROM_MOUSE] = [0x01, 0x20];
const ACK = 0xfa;

let i8042: I8042;
let irqs: string[];
let resets: number;
let a20: { isOpen: boolean };

beforeEach(() => {
  irqs = [];
  resets = 0;
  a20 = { isOpen: true };
  const line = (name: string) => {
    let was = false;
    return (level: boolean) => {
      if (level && !was) irqs.push(name);
      was = level;
    };
  };
  i8042 = new I8042({ keyboardIrq: line('IRQ1'), mouseIrq: line('IRQ12'), reset: () => resets++, a20 });
});

const status = (): number => i8042.read(4, 1);
const command = (value: number): void => i8042.write(4, 1, value);
const data = (value: number): void => i8042.write(0, 1, value);

/** Every byte there is; those of the mouse have bit 8. */
function drain(): number[] {
  const bytes: number[] = [];
  while (status() & FULL) {
    const mark = status() & FROM_MOUSE ? 0x100 : 0;
    bytes.push(i8042.read(0, 1) | mark);
  }
  return bytes;
}

function ask(byte: number): number[] {
  command(byte);
  return drain();
}

function toKeyboard(...bytes: number[]): number[] {
  for (const byte of bytes) data(byte);
  return drain();
}

function toMouse(...bytes: number[]): number[] {
  for (const byte of bytes) {
    command(0xd4);
    data(byte);
  }
  return drain().map((byte) => byte - 0x100);
}

describe('the controller', () => {
  it('passes its self-test and those of both ports', () => {
    expect([ask(0xaa), ask(0xab), ask(0xa9)]).toEqual([[0x55], [0], [0]]);
  });

  it('keeps its configuration byte, which the port commands change', () => {
    command(0x60);
    data(0x44);
    expect(ask(0x20)).toEqual([0x44]);
    for (const byte of [0xa7, 0xad]) command(byte);
    expect(ask(0x20)).toEqual([0x74]);
    for (const byte of [0xa8, 0xae]) command(byte);
    expect(ask(0x20)).toEqual([0x44]);
  });

  it('echoes bytes as if they came from a port', () => {
    command(0xd2);
    data(0x12);
    command(0xd3);
    data(0x5a);
    expect(drain()).toEqual([0x12, 0x15a]);
    expect(irqs).toEqual(['IRQ1', 'IRQ12']);
  });

  it('holds back a disabled port, and raises no interrupt that is not enabled', () => {
    command(0xad);
    i8042.keyboard.key('KeyA', true);
    expect(drain()).toEqual([]);
    command(0x60);
    data(0x40);
    expect([drain(), irqs]).toEqual([[0x1e], []]);
  });

  it('raises an edge for every byte', () => {
    i8042.keyboard.key('ArrowUp', true);
    expect(irqs).toEqual(['IRQ1']);
    expect(drain()).toEqual([0xe0, 0x48]);
    expect(irqs).toEqual(['IRQ1', 'IRQ1']);
  });

  it('resets by a pulse of line 0 and by its output port, and by no other pulse', () => {
    for (const byte of [0xff, 0xf1]) command(byte);
    command(0xd1);
    data(0xdf);
    expect(resets).toBe(0);
    command(0xfe);
    command(0xd1);
    data(0xfe);
    expect(resets).toBe(2);
  });

  it('moves the A20 gate by its output port and by commands, and shows it', () => {
    command(0xd1);
    data(0xdd);
    expect([a20.isOpen, ask(0xd0)[0] & 2]).toEqual([false, 0]);
    command(0xdf);
    expect([a20.isOpen, ask(0xd0)[0] & 2]).toEqual([true, 2]);
    command(0xdd);
    expect(a20.isOpen).toBe(false);
  });
});

describe('the keyboard', () => {
  const raw = (): void => {
    command(0x60);
    data(0x05);
  };

  it('answers reset, identify, echo and set queries', () => {
    raw();
    expect(toKeyboard(0xff)).toEqual([ACK, 0xaa]);
    expect(toKeyboard(0xf2)).toEqual([ACK, 0xab, 0x83]);
    expect(toKeyboard(0xee)).toEqual([0xee]);
    expect(toKeyboard(0xf0, 0)).toEqual([ACK, ACK, 2]);
    expect(toKeyboard(0xe7)).toEqual([0xfe]);
  });

  it('says its last byte again when asked', () => {
    expect([toKeyboard(0xf2), toKeyboard(0xfe)]).toEqual([[ACK, 0xab, 0x41], [0x41]]);
  });

  it('takes LEDs and typematic rate with their arguments', () => {
    expect(toKeyboard(0xed, 4, 0xf3, 0x2b)).toEqual([ACK, ACK, ACK, ACK]);
    expect(i8042.keyboard.leds).toBe(4);
  });

  // Columns: set 2, and set 1 as every PC since the XT knows it.
  it.each([
    ['KeyA', [0x1c], [0x1e]],
    ['Escape', [0x76], [0x01]],
    ['Digit1', [0x16], [0x02]],
    ['Enter', [0x5a], [0x1c]],
    ['Space', [0x29], [0x39]],
    ['F7', [0x83], [0x41]],
    ['F12', [0x07], [0x58]],
    ['NumpadAdd', [0x79], [0x4e]],
    ['KeyN', [0x31], [0x31]],
    ['NumLock', [0x77], [0x45]],
    ['ControlRight', [0xe0, 0x14], [0xe0, 0x1d]],
    ['Delete', [0xe0, 0x71], [0xe0, 0x53]],
    ['NumpadEnter', [0xe0, 0x5a], [0xe0, 0x1c]],
  ])('sends %s in set 2, translated where the controller does so', (code, set2, set1) => {
    i8042.keyboard.key(code, true);
    i8042.keyboard.key(code, false);
    expect(drain()).toEqual([...set1, ...set1.slice(0, -1), (set1.at(-1) ?? 0) | 0x80]);
    raw();
    i8042.keyboard.key(code, true);
    i8042.keyboard.key(code, false);
    expect(drain()).toEqual([...set2, ...set2.slice(0, -1), 0xf0, set2.at(-1)]);
  });

  it('gives every key codes of its own', () => {
    const all = KEY_CODES.map((code) => scanCodes(code, true).join());
    expect(new Set(all).size).toBe(all.length);
    expect(KEY_CODES.length).toBeGreaterThan(100);
    expect(KEY_CODES.every((code) => /^[A-Z][A-Za-z]*\d*$/.test(code))).toBe(true);
  });

  it('is silent while scanning is disabled', () => {
    expect(toKeyboard(0xf5)).toEqual([ACK]);
    i8042.keyboard.key('KeyA', true);
    expect(toKeyboard(0xf4)).toEqual([ACK]);
    i8042.keyboard.key('KeyB', true);
    expect(drain()).toEqual([0x30]);
  });

  it('puts replies before keys that wait', () => {
    i8042.keyboard.key('KeyA', true);
    i8042.keyboard.key('KeyB', true);
    expect(toKeyboard(0xee)).toEqual([0x1e, 0xee, 0x30]);
  });

  it('refuses a key that no PC has', () => {
    expect(() => i8042.keyboard.key('KeyÄ', true)).toThrow("key 'KeyÄ' is unknown");
  });
});

describe('the US layout', () => {
  it.each([
    ['a', 'KeyA', false],
    ['Z', 'KeyZ', true],
    ['7', 'Digit7', false],
    ['&', 'Digit7', true],
    ['_', 'Minus', true],
    ['|', 'Backslash', true],
    ['?', 'Slash', true],
    ['~', 'Backquote', true],
    [' ', 'Space', false],
    ['\n', 'Enter', false],
  ])('types %j by its key', (character, code, shift) => {
    expect(keyOf(character)).toEqual({ code, shift });
  });

  it('has a key for every printable character of ASCII, and for no other', () => {
    const printable = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n));
    expect(printable.every((one) => KEY_CODES.includes(keyOf(one).code))).toBe(true);
    for (const one of ['ß', '', 'ab', '\x7f']) expect(() => keyOf(one)).toThrow(RangeError);
  });
});

describe('the mouse', () => {
  it('answers reset with its self-test and identity', () => {
    expect(toMouse(0xff)).toEqual([ACK, 0xaa, 0]);
    expect(toMouse(0xf2)).toEqual([ACK, 0]);
  });

  it('says nothing of its movements until it is enabled', () => {
    i8042.mouse.move(5, 5);
    expect(drain()).toEqual([]);
    toMouse(0xf6, 0xf4);
    irqs = [];
    i8042.mouse.move(3, -2);
    expect(irqs).toEqual(['IRQ12']);
    expect(drain()).toEqual([0x108, 0x103, 0x102]);
  });

  it('sends signs, buttons, and what is more than a packet holds in the next', () => {
    toMouse(0xf4);
    i8042.mouse.move(-300, 10);
    i8042.mouse.button(2, true);
    expect(drain().map((byte) => byte & 0xff)).toEqual([0x38, 0, 0xf6, 0x1a, 0xd4, 0]);
    expect(() => i8042.mouse.button(3, true)).toThrow('mouse button 3');
  });

  it('has a wheel once it is asked for, until it is reset', () => {
    toMouse(0xf3, 200, 0xf3, 100, 0xf3, 80);
    expect(toMouse(0xf2)).toEqual([ACK, 3]);
    toMouse(0xf4);
    i8042.mouse.move(0, 0, -1);
    expect(drain()).toEqual([0x108, 0x100, 0x100, 0x1ff]);
    expect(toMouse(0xff)).toEqual([ACK, 0xaa, 0]);
  });

  it('in remote mode reports when it is read', () => {
    toMouse(0xf0);
    i8042.mouse.move(1, 0);
    expect(drain()).toEqual([]);
    expect(toMouse(0xeb)).toEqual([ACK, 8, 1, 0]);
  });

  it('tells its state', () => {
    toMouse(0xf4, 0xe8, 3, 0xf3, 40, 0xe7);
    expect(toMouse(0xe9)).toEqual([ACK, 0x30, 3, 40]);
  });
});
