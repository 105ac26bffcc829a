// The devices of the board, put down in the middle of their work and gone on from plain data.
import { describe, expect, it } from 'vitest';
import { AcpiPm } from '../../src/devices/acpi-pm.ts';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { deferOn } from '../../src/devices/clock.ts';
import type { IoDevice } from '../../src/devices/device.ts';
import { FwCfg, FwCfgKey } from '../../src/devices/fw-cfg.ts';
import { Hpet } from '../../src/devices/hpet.ts';
import { I8042 } from '../../src/devices/i8042.ts';
import { Pflash } from '../../src/devices/pflash.ts';
import { PicPair } from '../../src/devices/pic.ts';
import { Pit } from '../../src/devices/pit.ts';
import { ResetControl, ShutdownPort } from '../../src/devices/reset.ts';
import { Rtc } from '../../src/devices/rtc.ts';
import { Serial } from '../../src/devices/serial.ts';
import { Vga } from '../../src/devices/vga.ts';
import { IrqLines } from '../../src/machine/board/irq-lines.ts';
import { SeededRandom } from '../../src/machine/state/random.ts';
import { HandClock } from '../devices/hand-clock.ts';
import { PlainMemory } from '../machine/plain-memory.ts';
import { twins } from './twins.ts';

const SECOND = 1_000_000_000n;
const put = (device: IoDevice, ...writes: [offset: number, value: number][]): void => {
  for (const [offset, value] of writes) device.write(offset, 1, value);
};

/** A clock, and a log of what a wire did and when. */
function wired() {
  const clock = new HandClock();
  const edges: string[] = [];
  const line =
    (name: string) =>
    (level: boolean): void => {
      const edge = `${name} ${level ? 'up' : 'down'} at ${clock.now()}`;
      if (edges.at(-1) !== edge) edges.push(edge);
    };
  return { clock, edges, line };
}

describe('goes on from plain data as it would have', () => {
  it('a PIT that counts, with a count half read and another half written', () => {
    const make = () => {
      const { clock, edges, line } = wired();
      const pit = new Pit({ clock, irq: line('irq') });
      return { clock, edges, pit, parts: { pit } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ pit, clock }) => {
        put(pit, [3, 0x34], [0, 0x10], [0, 0x27], [3, 0xb4], [2, 0x55]);
        clock.advance(3_333_333);
        put(pit, [3, 0]);
        pit.read(0, 1);
      },
      ({ pit, clock, edges }) => {
        edges.length = 0;
        const high = pit.read(0, 1);
        put(pit, [2, 0x01]);
        clock.advance(30_000_000);
        return [high, pit.read(2, 1), pit.read(0, 1), pit.controlPort.read(0, 1), edges];
      },
    );
    expect(moved).toEqual(unmoved);
    expect((unmoved.at(-1) as string[]).length).toBeGreaterThan(4);
  });

  it('an RTC whose alarm is near, with a periodic interrupt', () => {
    const make = () => {
      const { clock, edges, line } = wired();
      const rtc = new Rtc({ clock, irq: line('irq'), start: Date.UTC(2026, 11, 31, 23, 59, 50) });
      return { clock, edges, rtc, parts: { rtc } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ rtc, clock }) => {
        put(
          rtc,
          [0, 1],
          [1, 0x58],
          [0, 3],
          [1, 0xff],
          [0, 5],
          [1, 0xff],
          [0, 10],
          [1, 0x2f],
          [0, 11],
          [1, 0x62],
          [0, 12],
        );
        clock.advance(2n * SECOND + 7n);
        rtc.read(1, 1);
      },
      ({ rtc, clock, edges }) => {
        edges.length = 0;
        const flags: number[] = [];
        for (let n = 0; n < 14; n++) {
          clock.advance(SECOND / 2n);
          flags.push(rtc.read(1, 1));
        }
        return { flags, edges };
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved.flags.some((flags) => (flags & 0x20) !== 0)).toBe(true);
  });

  it('a serial port whose receiver is half full, with more on its way', () => {
    const make = () => {
      const { clock, edges, line } = wired();
      const sent: number[] = [];
      const serial = new Serial({ clock, irq: line('irq'), output: (byte) => sent.push(byte) });
      return { clock, edges, serial, sent, parts: { serial } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ serial, clock }) => {
        put(serial, [3, 0x83], [0, 1], [1, 0], [3, 3], [2, 0xc1], [4, 0x0b], [1, 0x05]);
        serial.send(Array.from({ length: 40 }, (_, n) => n));
        clock.advance(1000);
        for (let n = 0; n < 9; n++) serial.read(0, 1);
      },
      ({ serial, clock, edges, sent }) => {
        edges.length = 0;
        const bytes: number[] = [];
        put(serial, [0, 0x41]);
        for (let n = 0; n < 60; n++) {
          clock.advance(50_000);
          if (serial.read(5, 1) & 1) bytes.push(serial.read(0, 1));
        }
        return { bytes, edges, sent, iir: serial.read(2, 1) };
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved.bytes).toEqual(Array.from({ length: 31 }, (_, n) => n + 9));
  });

  it('an HPET with a periodic and a level-triggered comparator armed', () => {
    const make = () => {
      const { clock, edges, line } = wired();
      const hpet = new Hpet({ clock, pins: [2, 8, 20], line: (pin) => line(`pin ${pin}`), legacy: () => {} });
      return { clock, edges, hpet, parts: { hpet } };
    };
    const word = (hpet: Hpet, at: number, value: number): void => hpet.write(at, 4, value);
    const { unmoved, moved } = twins(
      make,
      ({ hpet, clock }) => {
        word(hpet, 0x100, 0x14c | (2 << 9));
        word(hpet, 0x108, 5000);
        word(hpet, 0x108, 7000);
        word(hpet, 0x120, 0x106 | (20 << 9));
        word(hpet, 0x128, 9000);
        word(hpet, 0x10, 1);
        clock.advance(95_000);
      },
      ({ hpet, clock, edges }) => {
        edges.length = 0;
        word(hpet, 0x20, 2);
        clock.advance(200_000);
        return { edges, status: hpet.read(0x20, 4), counter: hpet.read(0xf0, 4), value: hpet.read(0x108, 4) };
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved.edges.length).toBeGreaterThan(5);
    expect(unmoved.edges[0]).toBe('pin 20 down at 95000');
  });

  it('a keyboard controller that waits for the second half of a command, with keys and mouse packets queued', () => {
    const make = () => {
      const a20 = { isOpen: true };
      const wire = (): void => {};
      const i8042 = new I8042({ keyboardIrq: wire, mouseIrq: wire, reset: wire, a20 });
      return { i8042, parts: { i8042 } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ i8042 }) => {
        put(i8042, [4, 0xd4], [0, 0xf4]);
        i8042.read(0, 1);
        put(i8042, [0, 0xed]);
        i8042.read(0, 1);
        i8042.keyboard.key('KeyA', true);
        i8042.mouse.move(300, -5);
        put(i8042, [4, 0xd4]);
      },
      ({ i8042 }) => {
        put(i8042, [0, 0xe9], [0, 7]);
        const bytes: number[][] = [];
        for (let status = i8042.read(4, 1); status & 1; status = i8042.read(4, 1))
          bytes.push([status, i8042.read(0, 1)]);
        return { bytes, leds: i8042.keyboard.leds };
      },
    );
    expect(moved).toEqual(unmoved);
    expect([unmoved.leds, unmoved.bytes.length > 8]).toEqual([7, true]);
  });

  it('a pair of 8259A with one request in service, another latched, and half of an initialization', () => {
    const make = () => {
      const levels: boolean[] = [];
      const pics = new PicPair((level) => levels.push(level));
      return { pics, levels, parts: { master: pics.master, slave: pics.slave } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ pics }) => {
        for (const [pic, base, cascade] of [
          [pics.master, 8, 4],
          [pics.slave, 0x70, 2],
        ] as const) {
          put(pic, [0, 0x11], [1, base], [1, cascade], [1, 1]);
        }
        pics.setIrq(1, true);
        pics.acknowledge();
        pics.setIrq(8, true);
        pics.setIrq(0, true);
        put(pics.slave, [0, 0x11], [1, 0x60]);
      },
      ({ pics, levels }) => {
        levels.length = 0;
        put(pics.slave, [1, 2], [1, 1]);
        const first = pics.acknowledge();
        put(pics.master, [0, 0x20], [0, 0x0b]);
        pics.setIrq(9, true);
        put(pics.master, [0, 0x20]);
        return [first, pics.acknowledge(), pics.master.read(0, 1), levels];
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved.slice(0, 2)).toEqual([8, 0x61]);
  });

  it('a VGA between index and data, with planes and a palette half written', () => {
    const make = () => {
      const clock = new HandClock();
      const vga = new Vga({ clock, framebuffer: () => new Uint8Array(0x1_0000) });
      return { clock, vga, parts: { vga } };
    };
    const at = (port: number): number => port - 0x3b0;
    const { unmoved, moved } = twins(
      make,
      ({ vga }) => {
        put(vga, [at(0x3c8), 5], [at(0x3c9), 10], [at(0x3c9), 20], [at(0x3ce), 5], [at(0x3cf), 0], [at(0x3c4), 4]);
        put(vga, [at(0x3c5), 6], [at(0x3c4), 2], [at(0x3c5), 15], [at(0x3ce), 6], [at(0x3cf), 5], [at(0x3c0), 0x30]);
        vga.window.write(100, 1, 0xa5);
        vga.window.read(100, 1);
      },
      ({ vga }) => {
        put(vga, [at(0x3c9), 30], [at(0x3c0), 0x41], [at(0x3ce), 5], [at(0x3cf), 1]);
        vga.window.write(200, 1, 0);
        put(vga, [at(0x3c7), 5]);
        const palette = [0, 1, 2].map(() => vga.read(at(0x3c9), 1));
        return [palette, vga.memory.slice(400, 404), vga.memory.slice(800, 804), vga.read(at(0x3c0), 1), vga.picture()];
      },
    );
    expect(moved).toEqual(unmoved);
    expect([unmoved[0], unmoved[2]]).toEqual([[10, 20, 30], Uint8Array.of(0xa5, 0xa5, 0xa5, 0xa5)]);
  });

  it('flash in the middle of a buffered write', () => {
    const make = () => {
      const array = new Uint8Array(0x2000).fill(0xff);
      const shown: boolean[] = [];
      const backend = ramDisk(new Uint8Array(0x2000));
      const flash = new Pflash({ bytes: () => array, show: (isArray) => shown.push(isArray), backend, busy: () => {} });
      return { flash, shown, memory: array, parts: { flash } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ flash }) => put(flash, [0x100, 0xe8], [0x100, 3], [0x100, 1], [0x101, 2]),
      ({ flash, memory }) => {
        put(flash, [0x102, 3], [0x103, 4], [0x100, 0xd0]);
        const status = flash.read(0, 1);
        put(flash, [0, 0xff]);
        return [status, memory.slice(0x100, 0x105), flash.read(0x101, 1)];
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved).toEqual([0x80, Uint8Array.of(1, 2, 3, 4, 0xff), 2]);
  });

  it('fw_cfg in the middle of an item, and of a transfer that takes turns', () => {
    const MIB = 1 << 20;
    const make = () => {
      const clock = new HandClock();
      const memory = new PlainMemory(12 * MIB);
      const fwCfg = new FwCfg({ memory, wrote: () => {}, defer: deferOn(clock) });
      fwCfg.addFile(
        'opt/test',
        Uint8Array.from({ length: 7 * MIB }, (_, n) => n),
      );
      return { clock, fwCfg, memory: memory.bytes(0, 12 * MIB), parts: { fwCfg } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ fwCfg, memory }) => {
        new DataView(memory.buffer).setUint32(0x1_0000, (FwCfgKey.FILE_FIRST << 16) | 8 | 2);
        new DataView(memory.buffer).setUint32(0x1_0004, 7 * MIB);
        new DataView(memory.buffer).setBigUint64(0x1_0008, BigInt(MIB));
        fwCfg.write(8, 4, 0x0000_0100);
        fwCfg.write(0, 2, FwCfgKey.SIGNATURE);
        fwCfg.read(1, 1);
      },
      ({ fwCfg, clock, memory }) => {
        const letters = [0, 1, 2].map(() => fwCfg.read(1, 1));
        const begun = memory[8 * MIB - 1];
        clock.advance(1_000_000);
        return { letters: String.fromCharCode(...letters), begun, last: memory[8 * MIB - 1], left: memory[0x1_0003] };
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved).toEqual({ letters: 'EMU', begun: 0, last: 0xff, left: 0 });
  });

  it('power management, the reset register, the word at the power-off port, wires and entropy', () => {
    const make = () => {
      const { clock, edges, line } = wired();
      const lines = new IrqLines((irq, level) => line(`irq ${irq}`)(level));
      const [sci, other] = [lines.input(9), lines.input(9)];
      const pm = new AcpiPm({ clock, sci, powerOff: () => edges.push('off') });
      const reset = new ResetControl(() => edges.push('reset'));
      const shutdown = new ShutdownPort(() => edges.push('shutdown'));
      const random = new SeededRandom(7);
      return { clock, edges, pm, reset, shutdown, other, random, parts: { lines, pm, reset, shutdown, random } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ pm, reset, shutdown, other, random }) => {
        put(pm, [3, 1]);
        pm.pressPowerButton();
        other(true);
        put(reset, [0, 4]);
        for (const letter of 'Shut') put(shutdown, [0, letter.charCodeAt(0)]);
        random.fill(new Uint8Array(100));
      },
      ({ pm, reset, shutdown, other, random, edges }) => {
        edges.length = 0;
        put(pm, [1, 1]);
        other(false);
        put(reset, [0, 0], [0, 4]);
        for (const letter of 'down') put(shutdown, [0, letter.charCodeAt(0)]);
        const bytes = new Uint8Array(16);
        random.fill(bytes);
        return { edges, bytes, status: pm.read(0, 2) };
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved.edges).toEqual(['irq 9 down at 0', 'reset', 'shutdown']);
  });
});
