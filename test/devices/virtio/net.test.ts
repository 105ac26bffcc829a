// The network device, driven over MMIO: frames both ways, work left undone, back-pressure, filters, link.
import { describe, expect, it } from 'vitest';
import { NetFeature, VirtioNet } from '../../../src/devices/virtio/net.ts';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { type NetBackend, type NetCard, NO_HOST, type Offload } from '../../../src/net/backend.ts';
import { addWords, fold, pseudoHeader, put16 } from '../../../src/net/bytes.ts';
import { HandClock } from '../hand-clock.ts';
import { EVENT_IDX, MmioDriver, PACKED } from './mmio-driver.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const BROADCAST = Array(6).fill(0xff);
const HEADER = 12;
const [RX, TX, CONTROL] = [0, 1, 2];

const clock = { now: () => 0n, timer: () => ({ deadline: null, arm: () => {}, cancel: () => {}, remove: () => {} }) };

class Recorder implements NetBackend {
  readonly takesOffload: boolean;
  readonly sent: { frame: Uint8Array; offload?: Offload }[] = [];
  card!: NetCard;
  readies = 0;
  flushes = 0;

  constructor(takesOffload = false) {
    this.takesOffload = takesOffload;
  }

  attach(card: NetCard): void {
    this.card = card;
  }

  send(frame: Uint8Array, offload?: Offload): void {
    this.sent.push({ frame, offload });
  }

  flush(): void {
    this.flushes++;
  }

  ready(): void {
    this.readies++;
  }
}

function make({ features = 0n, takesOffload = false, size = 16 } = {}) {
  const backend = new Recorder(takesOffload);
  const device = new VirtioNet({ backend, clock, host: NO_HOST, mac: MAC, gatherNs: 0 });
  const driver = new MmioDriver(device).up(features, size);
  return { backend, device, driver };
}

const frameTo = (mac: Iterable<number>, length = 60): Uint8Array => {
  const frame = Uint8Array.from({ length }, (_, at) => at * 7);
  frame.set([...mac]);
  return frame;
};

/** A frame whose UDP checksum is left to the device: IPv4 without options, 8 bytes of data. */
function unsummed(): { frame: Uint8Array; start: number } {
  const frame = new Uint8Array(14 + 20 + 16);
  frame.set([...MAC, ...MAC, 8, 0, 0x45, 0, 0, 36]);
  const start = 34;
  for (let at = 0; at < 16; at++) frame[start + at] = at < 8 ? at + 1 : 0xf0 + at;
  put16(frame, start + 6, pseudoHeader(0x0a00020f, 0x0a000202, 17, 16));
  return { frame, start };
}

const header = (flags = 0, gso = 0, size = 0, start = 0, offset = 0): number[] => {
  const word = (value: number): number[] => [value & 0xff, value >> 8];
  return [flags, gso, 0, 0, ...word(size), ...word(start), ...word(offset), 0, 0];
};

describe('the network device', () => {
  it('shows its address, the link and the MTU', () => {
    const { driver } = make();
    const bytes = Array.from({ length: 12 }, (_, at) => driver.mmio.read(Reg.CONFIG + at, 1));
    expect(bytes).toEqual([...MAC, 1, 0, 1, 0, 1500 & 0xff, 1500 >> 8]);
  });

  it.each([
    ['split', 0n],
    ['packed', PACKED],
  ])('hands frames to its backend without their header, by %s queues', (_name, features) => {
    const { backend, driver } = make({ features });
    const frame = frameTo(BROADCAST);
    const parts = [driver.ram.put(header()), driver.ram.put(frame.subarray(0, 20)), driver.ram.put(frame.subarray(20))];
    expect(driver.request(TX, parts)).toEqual([{ id: 0, written: 0 }]);
    expect(backend.sent).toEqual([{ frame, offload: undefined }]);
    expect(backend.flushes).toBeGreaterThan(0);
  });

  it('makes the checksum that the driver left undone', () => {
    const { backend, driver } = make({ features: NetFeature.CSUM });
    const { frame, start } = unsummed();
    driver.request(TX, [driver.ram.put([...header(1, 0, 0, start, 6), ...frame])]);
    const [{ frame: sent, offload }] = backend.sent;
    expect(offload).toBeUndefined();
    expect(fold(addWords(sent, start, sent.length, pseudoHeader(0x0a00020f, 0x0a000202, 17, 16)))).toBe(0xffff);
  });

  it('leaves checksums and long segments to a backend that takes them', () => {
    const { backend, driver } = make({ features: NetFeature.CSUM | NetFeature.HOST_TSO4, takesOffload: true });
    const { frame, start } = unsummed();
    driver.request(TX, [driver.ram.put([...header(1, 1, 1448, start, 6), ...frame])]);
    expect(backend.sent).toEqual([{ frame, offload: { checksumStart: start, checksumOffset: 6, segmentBytes: 1448 } }]);
  });

  it('offers to take long segments only where its backend does', () => {
    expect(make({ takesOffload: true }).driver.offered & NetFeature.HOST_TSO4).toBe(NetFeature.HOST_TSO4);
    expect(make().driver.offered & NetFeature.HOST_TSO4).toBe(0n);
  });

  it.each([
    ['a checksum beyond the frame', header(1, 0, 0, 34, 40)],
    ['long segments that were not negotiated', header(1, 1, 1448, 34, 6)],
  ])('drops a frame with %s and counts it', (_what, bytes) => {
    const { backend, device, driver } = make({ features: NetFeature.CSUM });
    expect(driver.request(TX, [driver.ram.put([...bytes, ...unsummed().frame])])).toHaveLength(1);
    expect([backend.sent, device.dropped.malformed, driver.get(Reg.STATUS)]).toEqual([[], 1, 15]);
  });

  it.each([
    ['transmitted without a whole header', TX, 8, false],
    ['transmitted without a whole Ethernet header', TX, HEADER + 13, false],
    ['of more than 64 KiB', TX, HEADER + 0x1000f, false],
    ['offered for commands without room for an answer', CONTROL, 3, false],
  ])('needs a reset after a chain %s', (_what, queue, length) => {
    const { driver } = make();
    driver.request(queue, [{ gpa: 0x40000n, length }]);
    expect(driver.get(Reg.STATUS) & 0x40).toBe(0x40);
  });

  it('needs a reset after a receive buffer without room for a header', () => {
    const { backend, driver } = make();
    driver.request(RX, [driver.ram.room(HEADER - 1)]);
    expect(backend.card.receive(frameTo(MAC))).toBe(true);
    expect(driver.get(Reg.STATUS) & 0x40).toBe(0x40);
  });

  it('writes a frame behind a header that names one buffer', () => {
    const { backend, driver } = make();
    const room = driver.ram.room(100);
    driver.request(RX, [room]);
    const frame = frameTo(MAC);
    expect(backend.card.receive(frame)).toBe(true);
    expect(driver.rings[RX].used()).toEqual([{ id: 0, written: HEADER + frame.length }]);
    expect(driver.ram.at(room).slice(0, HEADER + 60)).toEqual([...Array(10).fill(0), 1, 0, ...frame]);
    expect(driver.irq).toBe(true);
  });

  it.each([
    ['split', 0n],
    ['packed', PACKED],
  ])('spreads a frame over merged buffers and says how many, in %s queues', (_name, extra) => {
    const { backend, driver } = make({ features: NetFeature.MRG_RXBUF | extra });
    const rooms = [100, 50, 100].map((length) => driver.ram.room(length));
    for (const room of rooms) driver.request(RX, [room]);
    const frame = frameTo(MAC, 120);
    backend.card.receive(frame);
    expect(driver.rings[RX].used()).toEqual([
      { id: 0, written: 100 },
      { id: 1, written: 32 },
    ]);
    expect(driver.ram.at(rooms[0])[10]).toBe(2);
    expect([...driver.ram.at(rooms[0]).slice(HEADER), ...driver.ram.at(rooms[1]).slice(0, 32)]).toEqual([...frame]);
  });

  it('tells of work left undone on a frame for the guest', () => {
    const { backend, driver } = make({ features: NetFeature.GUEST_CSUM | NetFeature.GUEST_TSO4 });
    const room = driver.ram.room(200);
    driver.request(RX, [room]);
    expect(backend.card.takes).toEqual({ checksum: true, segments: true });
    backend.card.receive(frameTo(MAC), { checksumStart: 34, checksumOffset: 16, segmentBytes: 1460 });
    expect(driver.ram.at(room).slice(0, HEADER)).toEqual([1, 1, 54, 0, 1460 & 0xff, 1460 >> 8, 34, 0, 16, 0, 1, 0]);
  });

  it('has its backend wait for buffers and loses nothing', () => {
    const { backend, driver } = make({ features: NetFeature.MRG_RXBUF });
    const rooms = [40, 40].map((length) => driver.ram.room(length));
    driver.request(RX, [rooms[0]]);
    expect([backend.card.receive(frameTo(MAC)), backend.readies]).toEqual([false, 0]);
    driver.request(RX, [rooms[1]]);
    expect(backend.readies).toBe(1);
    expect(backend.card.receive(frameTo(MAC))).toBe(true);
    expect(driver.rings[RX].used().map(({ written }) => written)).toEqual([40, 32]);
  });

  it('drops a frame that no buffer can ever hold', () => {
    const { backend, device, driver } = make();
    const room = driver.ram.room(40);
    driver.request(RX, [room]);
    expect([backend.card.receive(frameTo(MAC)), device.dropped.oversized]).toEqual([true, 1]);
    expect(backend.card.receive(frameTo(MAC, 20))).toBe(true);
    expect(driver.rings[RX].used()).toEqual([{ id: 0, written: 32 }]);
  });

  it.each([
    ['split', 0n],
    ['packed', PACKED],
    ['split, with event index,', EVENT_IDX],
  ])('takes frames a little after the first of them, all together, from %s queues', (_name, features) => {
    const backend = new Recorder();
    const time = new HandClock();
    const driver = new MmioDriver(new VirtioNet({ backend, clock: time, host: NO_HOST, mac: MAC })).up(features, 4);
    for (let round = 1; round <= 3; round++) {
      for (let n = 0; n < 3; n++) {
        driver.request(TX, [driver.ram.put([...header(), ...frameTo(BROADCAST)])]);
        time.advance(10_000);
      }
      expect([backend.sent.length, backend.flushes]).toEqual([3 * (round - 1), round - 1]);
      time.advance(20_000);
      expect([backend.sent.length, backend.flushes, driver.rings[TX].used().length]).toEqual([3 * round, round, 3]);
      time.advance(100_000);
    }
  });

  describe('of a guest that sends one frame at a time', () => {
    const make = () => {
      const backend = new Recorder();
      const time = new HandClock();
      const driver = new MmioDriver(new VirtioNet({ backend, clock: time, host: NO_HOST, mac: MAC })).up(0n, 4);
      const send = (): void => void driver.request(TX, [driver.ram.put([...header(), ...frameTo(BROADCAST)])]);
      /** Sends a frame; returns whether it was taken at once. */
      const isAtOnce = (): boolean => {
        const before = backend.sent.length;
        send();
        const isTaken = backend.sent.length > before;
        time.advance(100_000);
        expect(backend.sent.length).toBe(before + 1);
        return isTaken;
      };
      return { backend, driver, time, send, isAtOnce };
    };

    it('takes most frames at once, after some', () => {
      const { isAtOnce } = make();
      const rounds = Array.from({ length: 40 }, isAtOnce);
      expect(rounds[0]).toBe(false);
      expect(rounds.slice(16).filter((isTaken) => !isTaken)).toHaveLength(3);
    });

    it('finds out that more come together', () => {
      const { backend, time, send, isAtOnce } = make();
      for (let n = 0; n < 16; n++) isAtOnce();
      send();
      send();
      expect(backend.sent).toHaveLength(16);
      time.advance(100_000);
      expect(backend.sent).toHaveLength(18);
      expect([isAtOnce(), isAtOnce()]).toEqual([false, false]);
    });

    it('waits with what answers a stream', () => {
      const { backend, driver, isAtOnce } = make();
      const room = driver.ram.room(20_000);
      const rounds = Array.from({ length: 20 }, () => {
        driver.request(RX, [room]);
        backend.card.receive(frameTo(BROADCAST, 19_000));
        return isAtOnce();
      });
      expect(rounds).not.toContain(true);
    });
  });

  it('takes no frames after a reset that came before their time', () => {
    const backend = new Recorder();
    const time = new HandClock();
    const driver = new MmioDriver(new VirtioNet({ backend, clock: time, host: NO_HOST, mac: MAC })).up();
    driver.request(TX, [driver.ram.put([...header(), ...frameTo(BROADCAST)])]);
    driver.up();
    time.advance(100_000);
    expect(backend.sent).toEqual([]);
  });

  it('drops frames while there is no driver, and counts them', () => {
    const backend = new Recorder();
    const device = new VirtioNet({ backend, clock, host: NO_HOST, mac: MAC });
    const driver = new MmioDriver(device);
    expect([backend.card.receive(frameTo(MAC)), device.dropped.unheard]).toEqual([true, 1]);
    expect(driver.irq).toBe(false);
  });

  it('forgets the buffers in its hand at a reset', () => {
    const { backend, driver } = make({ features: NetFeature.MRG_RXBUF });
    driver.request(RX, [driver.ram.room(40)]);
    backend.card.receive(frameTo(MAC));
    driver.up(NetFeature.MRG_RXBUF);
    const room = driver.ram.room(100);
    driver.request(RX, [room]);
    expect(backend.card.receive(frameTo(MAC))).toBe(true);
    expect(driver.rings[RX].used()).toEqual([{ id: 0, written: 72 }]);
  });

  it('tells the driver of the link, and carries nothing while it is down', () => {
    const { backend, device, driver } = make();
    backend.card.setLink(false);
    expect([driver.get(Reg.INTERRUPT_STATUS), driver.mmio.read(Reg.CONFIG + 6, 2)]).toEqual([2, 0]);
    driver.request(TX, [driver.ram.put([...header(), ...frameTo(BROADCAST)])]);
    expect([backend.sent, backend.card.receive(frameTo(MAC)), device.dropped.unheard]).toEqual([[], true, 1]);
    backend.card.setLink(true);
    driver.request(TX, [driver.ram.put([...header(), ...frameTo(BROADCAST)])]);
    expect(backend.sent).toHaveLength(1);
  });

  it.each([
    [{ mac: Uint8Array.of(1, 0, 0, 0, 0, 0) }, /none of one card/],
    [{ mac: MAC, mtu: 67 }, /MTU of 67 is not possible: 68 to 65535/],
  ])('cannot be made with %o', (options, message) => {
    expect(() => new VirtioNet({ backend: new Recorder(), clock, host: NO_HOST, ...options })).toThrow(message);
  });
});

describe('the filter of the network device', () => {
  const features = NetFeature.CTRL_VQ | NetFeature.CTRL_RX | NetFeature.CTRL_MAC_ADDR;
  const OTHER = [0x52, 0x54, 0, 9, 9, 9];
  const GROUP = [1, 0, 0x5e, 0, 0, 1];

  const setUp = () => {
    const made = make({ features });
    const { driver, backend } = made;
    for (let at = 0; at < 12; at++) driver.rings[RX].offer([driver.ram.room(100)]);
    driver.set(Reg.QUEUE_NOTIFY, RX);
    const hears = (mac: Iterable<number>): boolean => {
      backend.card.receive(frameTo(mac));
      return driver.rings[RX].used().length > 0;
    };
    const command = (...bytes: number[]): number => {
      const answer = driver.ram.room(1);
      driver.request(CONTROL, [driver.ram.put(bytes), answer]);
      return driver.ram.at(answer)[0];
    };
    return { ...made, hears, command };
  };

  it('passes its own address and broadcasts, and no others', () => {
    const { hears } = setUp();
    expect([MAC, BROADCAST, OTHER, GROUP].map(hears)).toEqual([true, true, false, false]);
  });

  it('passes everything where the driver cannot command it', () => {
    const { backend, driver } = make();
    driver.request(RX, [driver.ram.room(100)]);
    backend.card.receive(frameTo(OTHER));
    expect(driver.rings[RX].used()).toHaveLength(1);
  });

  it('obeys the modes', () => {
    const { hears, command } = setUp();
    expect([command(0, 1, 1), hears(GROUP), hears(OTHER)]).toEqual([0, true, false]);
    expect([command(0, 0, 1), hears(OTHER)]).toEqual([0, true]);
    expect([command(0, 0, 0), command(0, 5, 1), hears(BROADCAST)]).toEqual([0, 0, false]);
  });

  it('obeys the tables', () => {
    const { hears, command } = setUp();
    expect(command(1, 0, 1, 0, 0, 0, ...OTHER, 1, 0, 0, 0, ...GROUP)).toBe(0);
    expect([hears(OTHER), hears(GROUP), hears([1, 0, 0x5e, 0, 0, 2])]).toEqual([true, true, false]);
  });

  it('takes a new address, and the old one at a reset', () => {
    const { hears, command, driver } = setUp();
    expect([command(1, 1, ...OTHER), hears(OTHER), hears(MAC)]).toEqual([0, true, false]);
    driver.up(features);
    expect(driver.mmio.read(Reg.CONFIG + 5, 1)).toBe(3);
  });

  it.each([
    ['an unknown class', [9, 0, 0]],
    ['an unknown mode', [0, 6, 1]],
    ['a table that ends early', [1, 0, 2, 0, 0, 0, 1, 2, 3]],
    ['a table of four thousand million entries', [1, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6]],
    ['an address of five bytes', [1, 1, 1, 2, 3, 4, 5]],
  ])('refuses %s', (_what, bytes) => {
    expect(setUp().command(...bytes)).toBe(1);
  });
});
