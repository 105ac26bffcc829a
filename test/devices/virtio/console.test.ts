// The console device, driven over MMIO: one console, and ports with their control queues.
import { describe, expect, it } from 'vitest';
import { ConsoleFeature, ControlEvent, VirtioConsole } from '../../../src/devices/virtio/console.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { MmioDriver } from './mmio-driver.ts';

const text = (bytes: Iterable<number>): string => String.fromCharCode(...bytes);
const bytesOf = (string: string): Uint8Array => new TextEncoder().encode(string);

describe('the console', () => {
  let out = '';
  const make = (): [VirtioConsole, MmioDriver] => {
    out = '';
    const output = (bytes: Uint8Array): void => {
      out += text(bytes);
    };
    const console = new VirtioConsole([{ isConsole: true, output }]);
    return [console, new MmioDriver(console)];
  };

  it('puts out what the guest sends', () => {
    const [, driver] = make();
    driver.up();
    expect(driver.request(1, [driver.ram.put(bytesOf('hello, ')), driver.ram.put(bytesOf('world'))])).toHaveLength(1);
    expect(out).toBe('hello, world');
  });

  it('keeps input until the guest has room for it, in order and across a reset', () => {
    const [console, driver] = make();
    console.ports[0]?.send(bytesOf('abc'));
    driver.up();
    const rooms = [4, 4, 4].map((length) => driver.ram.room(length));
    expect(driver.request(0, [rooms[0]])).toEqual([{ id: 0, written: 3 }]);
    console.ports[0]?.send(bytesOf('defg'));
    console.ports[0]?.send(bytesOf('hi'));
    expect(driver.request(0, [rooms[1]])).toEqual([{ id: 1, written: 4 }]);
    driver.set(Reg.INTERRUPT_ACK, 3);
    expect(driver.request(0, [rooms[2]])).toEqual([{ id: 2, written: 2 }]);
    expect(text(rooms.flatMap((room) => driver.ram.at(room).filter((byte) => byte > 0)))).toBe('abcdefghi');
    expect(driver.irq).toBe(true);
  });

  it('interrupts for input that comes while buffers are waiting', () => {
    const [console, driver] = make();
    driver.up();
    const room = driver.ram.room(8);
    expect(driver.request(0, [room])).toEqual([]);
    console.ports[0]?.send(bytesOf('x'));
    expect([driver.irq, driver.rings[0].used(), driver.ram.at(room)[0]]).toEqual([true, [{ id: 0, written: 1 }], 0x78]);
  });

  it('tells the guest when the window changed its size', () => {
    const [console, driver] = make();
    driver.up();
    console.resize(132, 50);
    expect([driver.get(Reg.INTERRUPT_STATUS), driver.get(Reg.CONFIG)]).toEqual([2, 132 + (50 << 16)]);
  });

  it('takes emergency writes before there is a driver', () => {
    const [, driver] = make();
    driver.set(Reg.CONFIG + 8, 0x21);
    expect(out).toBe('!');
  });
});

describe('a console device with ports', () => {
  /** A console, a number left out, and a channel; every queue of the driver has the buffers it needs. */
  const make = (features = ConsoleFeature.MULTIPORT) => {
    const heard: string[] = [];
    const device = new VirtioConsole([
      { isConsole: true, output: (bytes) => heard.push(`console ${text(bytes)}`) },
      null,
      {
        name: 'org.example.0',
        output: (bytes) => heard.push(`channel ${text(bytes)}`),
        opened: (isOpen) => heard.push(`open ${isOpen}`),
      },
    ]);
    const driver = new MmioDriver(device).up(features);
    const rooms = Array.from({ length: 12 }, () => driver.ram.room(32));
    let seen = 0;
    if (features) for (const room of rooms) driver.request(2, [room]);
    /** Control messages that came since the last call: port, event, value and what follows. */
    const told = (): (number | string)[][] =>
      driver.rings[2].used().map(({ written }) => {
        const bytes = driver.ram.at(rooms[seen++]).slice(0, written);
        const message: (number | string)[] = [bytes[0], bytes[4], bytes[6]];
        return written > 8 ? [...message, text(bytes.slice(8))] : message;
      });
    const say = (port: number, event: number, value: number) =>
      driver.request(3, [driver.ram.put([port, 0, 0, 0, event, 0, value, 0])]);
    return { heard, device, driver, told, say };
  };
  const [CONSOLE, CHANNEL] = [0, 2];

  it('announces its ports when the driver is ready, and each of them when the port is', () => {
    const { driver, told, say } = make();
    expect([driver.mmio.read(Reg.CONFIG + 4, 4), driver.rings.length]).toEqual([3, 8]);
    say(0xff, ControlEvent.DEVICE_READY, 1);
    expect(told()).toEqual([
      [CONSOLE, ControlEvent.DEVICE_ADD, 1],
      [CHANNEL, ControlEvent.DEVICE_ADD, 1],
    ]);
    say(CONSOLE, ControlEvent.PORT_READY, 1);
    say(CHANNEL, ControlEvent.PORT_READY, 1);
    expect(told()).toEqual([
      [CONSOLE, ControlEvent.CONSOLE_PORT, 1],
      [CONSOLE, ControlEvent.RESIZE, 0, '\x50\0\x19\0'],
      [CONSOLE, ControlEvent.PORT_OPEN, 1],
      [CHANNEL, ControlEvent.PORT_NAME, 1, 'org.example.0'],
      [CHANNEL, ControlEvent.PORT_OPEN, 1],
    ]);
  });

  it('keeps what a channel sends until a program opens it', () => {
    const { heard, device, driver, say } = make();
    device.ports[CHANNEL]?.send(bytesOf('early'));
    const room = driver.ram.room(8);
    expect(driver.request(6, [room])).toEqual([]);
    say(CHANNEL, ControlEvent.PORT_OPEN, 1);
    expect(driver.rings[6].used()).toEqual([{ id: 0, written: 5 }]);
    expect(text(driver.ram.at(room))).toBe('early\0\0\0');
    driver.request(7, [driver.ram.put(bytesOf('answer'))]);
    say(CHANNEL, ControlEvent.PORT_OPEN, 0);
    expect(heard).toEqual(['open true', 'channel answer', 'open false']);
  });

  it('tells the driver when the host leaves a port and comes back', () => {
    const { device, told } = make();
    const port = device.ports[CHANNEL];
    for (const isConnected of [false, false, true]) if (port) port.isConnected = isConnected;
    expect(told()).toEqual([
      [CHANNEL, ControlEvent.PORT_OPEN, 0],
      [CHANNEL, ControlEvent.PORT_OPEN, 1],
    ]);
  });

  it('is a console of one port for a driver that knows no ports', () => {
    const { heard, device, driver } = make(0n);
    driver.request(1, [driver.ram.put(bytesOf('hi'))]);
    device.ports[CONSOLE]?.send(bytesOf('ho'));
    expect([heard, driver.request(0, [driver.ram.room(4)])]).toEqual([['console hi'], [{ id: 0, written: 2 }]]);
  });

  it('closes its ports when the driver resets it', () => {
    const { heard, driver, say } = make();
    say(CHANNEL, ControlEvent.PORT_OPEN, 1);
    driver.set(Reg.STATUS, 0);
    expect(heard).toEqual(['open true', 'open false']);
  });

  it.each([
    ['a port that does not exist', [1, 0, 0, 0, 6, 0, 1, 0], /port 1, which does not exist/],
    ['four bytes', [1, 0, 0, 0], /control message of 4 bytes/],
  ])('needs a reset after a control message for %s', (_name, bytes, message) => {
    const { driver } = make();
    driver.request(3, [driver.ram.put(bytes)]);
    expect([driver.get(Reg.STATUS) & 0x40, driver.log.join()]).toEqual([0x40, expect.stringMatching(message)]);
  });

  it('needs a reset when messages pile up that the driver has no buffers for', () => {
    const { driver, say } = make();
    for (let i = 0; i < 1024; i++) {
      say(0xff, ControlEvent.DEVICE_READY, 1);
      driver.rings[3].used();
    }
    expect(driver.log.join()).toMatch(/1024 control messages wait/);
  });

  it('refuses more ports than there are numbers, and names that are too long', () => {
    const output = () => {};
    expect(() => new VirtioConsole(Array(32).fill({ output }))).toThrow('32 console ports are not possible: 1 to 31');
    expect(() => new VirtioConsole([{ output, name: 'n'.repeat(256) }])).toThrow(/too long: 255 bytes/);
  });
});
