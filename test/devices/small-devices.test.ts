// The devices of a few registers: exits, consoles, pc-testdev, fw_cfg and resets.
import { describe, expect, it } from 'vitest';
import { DebugExit } from '../../src/devices/debug-exit.ts';
import { cString, FwCfg, FwCfgKey, littleEndian } from '../../src/devices/fw-cfg.ts';
import { PortE9 } from '../../src/devices/port-e9.ts';
import { ResetControl, ShutdownPort, SystemControlA } from '../../src/devices/reset.ts';
import { IrqPorts, ScratchBytes } from '../../src/devices/testdev.ts';

describe('isa-debug-exit and port E9', () => {
  it('pass on what is written, and the debug console says that it is there', () => {
    const seen: number[] = [];
    new DebugExit((value) => seen.push(value)).write(0, 4, 0xdead_beef);
    const console = new PortE9((byte) => seen.push(byte));
    console.write(0, 1, 0x41);
    expect(seen).toEqual([0xdead_beef, 0x41]);
    expect(console.read(0, 1)).toBe(0xe9);
  });
});

describe('pc-testdev', () => {
  it('keeps bytes, words and doublewords, little-endian', () => {
    const scratch = new ScratchBytes(4);
    scratch.write(0, 4, 0x8765_4321);
    expect([scratch.read(0, 1), scratch.read(2, 2), scratch.read(0, 4)]).toEqual([0x21, 0x8765, 0x8765_4321]);
    scratch.write(1, 1, 0xff);
    expect(scratch.read(0, 4)).toBe(0x8765_ff21);
  });

  it('drives line n from port n by any value but zero', () => {
    const seen: [number, boolean][] = [];
    const lines = Array.from({ length: 3 }, (_, n) => (level: boolean) => seen.push([n, level]));
    const ports = new IrqPorts(lines);
    ports.write(2, 1, 1);
    ports.write(1, 1, 0);
    ports.write(9, 1, 1);
    expect(seen).toEqual([
      [2, true],
      [1, false],
    ]);
  });
});

describe('fw_cfg', () => {
  const select = (device: FwCfg, key: number): void => device.write(0, 2, key);
  const bytes = (device: FwCfg, count: number): number[] => Array.from({ length: count }, () => device.read(1, 1));

  it('signs as QEMU with the traditional interface only', () => {
    const device = new FwCfg();
    select(device, FwCfgKey.SIGNATURE);
    expect(String.fromCharCode(...bytes(device, 4))).toBe('QEMU');
    select(device, FwCfgKey.ID);
    expect(bytes(device, 4)).toEqual([1, 0, 0, 0]);
  });

  it('reads an item from its start after each selection, and zeros past its end', () => {
    const device = new FwCfg();
    device.set(FwCfgKey.RAM_SIZE, littleEndian(0x1_0000_0000n, 8));
    for (let i = 0; i < 2; i++) {
      select(device, FwCfgKey.RAM_SIZE);
      expect(bytes(device, 10)).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    }
    select(device, 0x7777);
    expect(bytes(device, 2)).toEqual([0, 0]);
  });

  it('lists files big-endian with their sizes, keys and names', () => {
    const device = new FwCfg();
    device.addFile('etc/one', cString('x'));
    device.addFile('opt/two', new Uint8Array(300));
    select(device, FwCfgKey.FILE_DIR);
    expect(bytes(device, 4)).toEqual([0, 0, 0, 2]);
    expect(bytes(device, 8)).toEqual([0, 0, 0, 2, 0, 0x20, 0, 0]);
    expect(String.fromCharCode(...bytes(device, 56)).replace(/\0+$/, '')).toBe('etc/one');
    expect(bytes(device, 8)).toEqual([0, 0, 1, 44, 0, 0x21, 0, 0]);
    select(device, 0x20);
    expect(bytes(device, 2)).toEqual([0x78, 0]);
  });

  it('refuses file names that are empty, too long or taken', () => {
    const device = new FwCfg();
    device.addFile('a', cString(''));
    expect(() => device.addFile('a', cString(''))).toThrow("'a' exists already");
    expect(() => device.addFile('', cString(''))).toThrow('0 bytes');
    expect(() => device.addFile('x'.repeat(56), cString(''))).toThrow('1 to 55');
  });
});

describe('the ways to reset a PC', () => {
  const a20 = () => ({ isOpen: true });

  it.each([
    ['port 0x92 raises bit 0', (r: () => void) => new SystemControlA(r, a20()).write(0, 1, 3)],
    ['port 0xcf9 raises bit 2', (r: () => void) => new ResetControl(r).write(0, 1, 6)],
    [
      'port 0x8900 hears "Shutdown"',
      (r: () => void) => {
        const port = new ShutdownPort(r);
        for (const c of 'ShSShutdown') port.write(0, 1, c.charCodeAt(0));
      },
    ],
  ])('%s', (_name, act) => {
    let resets = 0;
    act(() => resets++);
    expect(resets).toBe(1);
  });

  it('do not mistake other writes for a reset', () => {
    const no = (): void => expect.unreachable();
    new SystemControlA(no, a20()).write(0, 1, 2);
    new ResetControl(no).write(0, 1, 2);
    for (const c of 'Shutdow') new ShutdownPort(no).write(0, 1, c.charCodeAt(0));
  });

  it('port 0x92 moves the A20 gate, and shows where another port moved it', () => {
    const gate = a20();
    const port = new SystemControlA(() => {}, gate);
    port.write(0, 1, 0);
    expect([gate.isOpen, port.read(0, 1)]).toEqual([false, 0]);
    gate.isOpen = true;
    expect(port.read(0, 1)).toBe(2);
  });
});
