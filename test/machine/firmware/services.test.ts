// INT 10h to 1Ah of our own firmware, asked by the program on the disk roms/services.img. What it prints is worked out from
// Ralf Brown's Interrupt List and from the machine that it runs on.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { Machine } from '../../../src/machine/machine.ts';

const MIB = 0x10_0000;
const services = readFileSync(new URL('../../../roms/services.img', import.meta.url));

const lines = new Map<string, string[]>();
let output = '';
let screen: string[] = [];
let disk: Uint8Array;

beforeAll(async () => {
  disk = new Uint8Array(2 * MIB);
  disk.set(services);
  const machine = await Machine.create({
    memory: '4M',
    drives: { disk: ramDisk(disk) },
    devices: [{ type: 'virtio-blk', drive: 'disk' }],
  });
  machine.on('console', (text) => {
    output += text;
  });
  machine.keyboard.press('ShiftLeft', 'KeyQ');
  machine.send('x\x1b[A\x7f');
  expect((await machine.run({ instructions: 5_000_000 })).reason).toBe('halted');
  for (const line of output.split('\r\n')) {
    const [name, ...values] = line.trim().split(' ');
    lines.set(name === 'map' ? `map ${values[0]} ${values[1]}` : name, values);
  }
  screen = [machine.screen.text()].flat().join('\n').split('\n');
}, 60_000);

describe('the firmware', () => {
  it.each([
    ['equipment', 'INT 11h: x87, mouse, a text screen of 80 columns, one serial port', ['0226']],
    ['memory', 'INT 12h and 15h: 639 KiB, and 3 MiB above the first', ['027F', '0C00', '0C00', '0000']],
    ['map 0000 0000', 'E820h: conventional memory', ['0000', '0000', '0009', 'FC00', '0001']],
    ['map 0009 FC00', 'E820h: the extended BIOS data area', ['0009', 'FC00', '0000', '0400', '0002']],
    ['map 000F 0000', 'E820h: the BIOS', ['000F', '0000', '0001', '0000', '0002']],
    ['map 0010 0000', 'E820h: memory above 1 MiB', ['0010', '0000', '0030', '0000', '0001']],
    ['segment', 'C1h: the segment that 40:0Eh names', ['9FC0', '9FC0']],
    ['a20', '2402h: closed, then open', ['0000', '0001']],
    ['move', '87h: a word went above 1 MiB and came back', ['0000', '5A7E']],
    // 4096 sectors: 4 cylinders of 16 heads with 63 sectors.
    ['geometry', '08h, 15h and 48h', ['033F', '0F01', '0300', '1000', '1000', '0200']],
    ['sectors', '02h and 03h: a boot sector, and what was written', ['0001', 'AA55', '5A7E']],
    ['errors', 'no such sector, disk and function, and the last status', ['0401', '0101', '0100', '0100']],
    ['clock', '1Ah: midnight of 1 January 2026', ['0000', '2026', '0101']],
    // Version 2.10; the host bridge is 00:00.0 and has class 0600h; another device is not there.
    ['pci', 'B101h, B102h and B109h', ['0210', '0002', '0000', '0600', '8602']],
    // Q by the keyboard; x, up and backspace by the serial port.
    ['keys', 'INT 16h', ['0000', '1051', '2D78', '48E0', '0E08']],
  ])('answers by the line %s (%s)', (name, _what, values) => {
    expect(lines.get(name)).toEqual(values);
  });

  it('counts one or two ticks in a tenth of a second', () => {
    expect(['0001', '0002']).toContain(lines.get('ticks')?.[0]);
  });

  it('writes where the cursor is, scrolls, and has no VBE', () => {
    // The cursor stays at row 24; "A" with attribute 1Eh is found there, and a row higher after scrolling.
    expect(output).toMatch(/screen 5003.* 1802 1E41 1E41 4F00\r\n/s);
    expect(screen[23]).toBe('  AAA');
    expect(screen[12].slice(5, 9)).toBe('done');
  });

  it('sends a terminal at the serial port where it moves its cursor', () => {
    expect(output).toContain('\x1b[25;3HAAA');
    expect(output.endsWith('\x1b[13;6Hdone')).toBe(true);
  });

  it('wrote the sector that it was told to', () => {
    expect(disk.subarray(20 * 512, 20 * 512 + 2)).toEqual(Uint8Array.of(0x7e, 0x5a));
  });
});
