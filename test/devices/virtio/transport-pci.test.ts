// Virtio over PCI: discovery through capabilities, negotiation, notifications by INTx and MSI-X, and hostile accesses.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Width } from '../../../src/core/types.ts';
import { Command, Config, type PciRange } from '../../../src/devices/pci/function.ts';
import { VirtioPci } from '../../../src/devices/virtio/transport-pci.ts';
import { PackedRing, type Ring, SplitRing, TestRam } from './driver.ts';
import { echoDevice } from './echo.ts';

const VERSION_1 = 1n << 32n;
const PACKED = 1n << 34n;
const NEEDS_RESET = 0x40;
const NO_VECTOR = 0xffff;
const MSIX_ON = 0x8000;

/** A driver that knows the function by its configuration space alone. */
class PciDriver {
  readonly ram = new TestRam();
  readonly log: string[] = [];
  readonly messages: number[] = [];
  readonly ranges = new Map<number, PciRange>();
  readonly echo = echoDevice();
  readonly fn: VirtioPci;
  line = false;

  constructor(vectors?: number) {
    this.fn = new VirtioPci({
      device: this.echo,
      memory: this.ram,
      defer: () => () => {},
      log: (line) => this.log.push(line),
      vectors,
    });
    for (const { index, range } of this.fn.ranges) this.ranges.set(index, range);
    this.fn.connect({
      place: () => {},
      intx: (level) => {
        this.line = level;
      },
      msi: (_address, data) => this.messages.push(data),
    });
    this.fn.writeConfig(Config.COMMAND, 2, Command.BUS_MASTER);
  }

  /** Offsets of the capabilities with an id. */
  capabilities(id: number): number[] {
    const found: number[] = [];
    for (let at = this.fn.readConfig(0x34, 1); at !== 0; at = this.fn.readConfig(at + 1, 1)) {
      if (this.fn.readConfig(at, 1) === id) found.push(at);
    }
    return found;
  }

  /** The virtio structure of a type: its capability, its range and its place there. */
  structure(type: number) {
    const at = this.capabilities(9).find((one) => this.fn.readConfig(one + 3, 1) === type);
    if (at === undefined) throw new Error(`no structure ${type}`);
    const range = this.ranges.get(this.fn.readConfig(at + 4, 1));
    if (!range) throw new Error(`structure ${type} lies in no range`);
    return { at, device: range.device, offset: this.fn.readConfig(at + 8, 4) };
  }

  get(field: number, width: Width, type = 1): number {
    const { device, offset } = this.structure(type);
    return device.read(offset + field, width);
  }

  set(field: number, width: Width, value: number, type = 1): void {
    const { device, offset } = this.structure(type);
    device.write(offset + field, width, value);
  }

  negotiate(features: bigint): number {
    for (const status of [0, 1, 3]) this.set(20, 1, status);
    for (const sel of [0, 1]) {
      this.set(8, 4, sel);
      this.set(12, 4, Number((features >> BigInt(32 * sel)) & 0xffffffffn));
    }
    this.set(20, 1, 11);
    return this.get(20, 1);
  }

  enable(index: number, { size, desc, driver, device }: Ring['layout'], vector = NO_VECTOR): void {
    this.set(22, 2, index);
    this.set(24, 2, size);
    this.set(26, 2, vector);
    for (const [at, gpa] of [desc, driver, device].entries()) {
      this.set(32 + 8 * at, 4, Number(gpa & 0xffffffffn));
      this.set(36 + 8 * at, 4, Number(gpa >> 32n));
    }
    this.set(28, 2, 1);
  }

  /** Brings queue 1 up, and returns its ring. */
  up(features = VERSION_1, vector = NO_VECTOR): Ring {
    this.negotiate(features);
    const ring = features & PACKED ? new PackedRing(this.ram, 16) : new SplitRing(this.ram, 16);
    this.enable(1, ring.layout, vector);
    this.set(20, 1, 15);
    return ring;
  }

  notify(index: number): void {
    const { at, device, offset } = this.structure(2);
    device.write(offset + this.fn.readConfig(at + 16, 4) * index, 2, index);
  }

  /** Switches MSI-X on with an unmasked message per vector: its number. */
  useMessages(vectors: number): void {
    const [at] = this.capabilities(0x11);
    const table = this.ranges.get(this.fn.readConfig(at + 4, 4) & 7)?.device;
    for (let vector = 0; vector < vectors; vector++) {
      for (const [n, word] of [0xfee0_0000, 0, vector, 0].entries()) table?.write(16 * vector + 4 * n, 4, word);
    }
    this.fn.writeConfig(at + 2, 2, MSIX_ON);
  }
}

let driver: PciDriver;
beforeEach(() => {
  driver = new PciDriver();
});

describe('virtio over PCI', () => {
  it('shows what it is, without a legacy interface', () => {
    expect(driver.fn.readConfig(0, 4)).toBe(0x106a_1af4);
    expect(driver.fn.readConfig(8, 1)).toBe(1);
    expect([1, 2, 3, 4].map((type) => driver.structure(type).offset % 4)).toEqual([0, 0, 0, 0]);
    expect(driver.get(18, 2)).toBe(2);
  });

  it('offers features in halves and answers what it cannot do without FEATURES_OK', () => {
    driver.set(0, 4, 1);
    expect(driver.get(4, 4) & 1).toBe(1);
    expect(driver.negotiate(VERSION_1)).toBe(11);
    expect(driver.negotiate(VERSION_1 | (1n << 6n))).toBe(3);
  });

  it('tells the greatest size of each queue, zero where there is none', () => {
    const sizes = [0, 1, 2, 0xffff].map((index) => {
      driver.set(22, 2, index);
      return driver.get(24, 2);
    });
    expect(sizes).toEqual([64, 16, 0, 0]);
  });

  it.each([
    ['split', VERSION_1],
    ['packed', VERSION_1 | PACKED],
  ])('carries a chain over a %s ring and holds INTx until the ISR is read', (_what, features) => {
    const ring = driver.up(features);
    const room = driver.ram.room(4);
    ring.offer([room]);
    driver.notify(1);
    expect(ring.used()).toEqual([{ id: 0, written: 1 }]);
    expect(driver.ram.at(room)[0]).toBe(0x55);
    expect(driver.line).toBe(true);
    expect([driver.get(0, 1, 3), driver.line]).toEqual([1, false]);
    expect(driver.get(0, 1, 3)).toBe(0);
  });

  it('sends the message of the queue, and that of the configuration, with MSI-X on', () => {
    driver.useMessages(3);
    const ring = driver.up(VERSION_1, 2);
    driver.set(16, 2, 0);
    ring.offer([driver.ram.room(1)]);
    driver.notify(1);
    expect(driver.messages).toEqual([2]);
    driver.echo.host.configChanged();
    expect(driver.messages).toEqual([2, 0]);
    expect([driver.line, driver.get(0, 1, 3)]).toEqual([false, 0]);
  });

  it('says nothing for a queue without a vector', () => {
    driver.useMessages(3);
    const ring = driver.up();
    ring.offer([driver.ram.room(1)]);
    driver.notify(1);
    expect([driver.messages, ring.used().length]).toEqual([[], 1]);
  });

  it('takes no vector that it has not', () => {
    driver.set(22, 2, 0);
    for (const field of [16, 26]) {
      driver.set(field, 2, 2);
      expect(driver.get(field, 2)).toBe(2);
      driver.set(field, 2, 3);
      expect(driver.get(field, 2)).toBe(NO_VECTOR);
    }
  });

  it('has as many vectors as it is made with, and no MSI-X for none', () => {
    const [at] = new PciDriver(2).capabilities(0x11);
    expect(new PciDriver(2).fn.readConfig(at + 2, 2)).toBe(1);
    expect(new PciDriver(0).capabilities(0x11)).toEqual([]);
  });

  it('is as new after a reset', () => {
    const ring = driver.up(VERSION_1, 1);
    ring.offer([driver.ram.room(1)]);
    driver.notify(1);
    expect(driver.line).toBe(true);
    driver.set(20, 1, 0);
    driver.set(22, 2, 1);
    expect([driver.line, driver.get(28, 2), driver.get(26, 2), driver.get(24, 2)]).toEqual([false, 0, NO_VECTOR, 16]);
  });

  it('shows its configuration, and every structure through configuration space too', () => {
    expect([driver.get(1, 1, 4), driver.get(2, 2, 4)]).toEqual([2, 0x0403]);
    const { at } = { at: driver.capabilities(9).find((one) => driver.fn.readConfig(one + 3, 1) === 5) ?? 0 };
    const through = (type: number, field: number, width: Width): void => {
      driver.fn.writeConfig(at + 4, 1, 0);
      driver.fn.writeConfig(at + 8, 4, driver.structure(type).offset + field);
      driver.fn.writeConfig(at + 12, 4, width);
    };
    through(1, 18, 2);
    expect(driver.fn.readConfig(at + 16, 2)).toBe(2);
    through(1, 20, 1);
    driver.fn.writeConfig(at + 16, 1, 1);
    expect(driver.get(20, 1)).toBe(1);
    driver.fn.writeConfig(at + 12, 4, 3);
    expect(driver.fn.readConfig(at + 16, 4)).toBe(0);
  });

  it('answers with DEVICE_NEEDS_RESET where it is no bus master, and touches nothing', () => {
    const ring = driver.up();
    const room = driver.ram.room(1);
    ring.offer([room]);
    driver.fn.writeConfig(Config.COMMAND, 2, Command.MEMORY);
    driver.notify(1);
    expect(driver.get(20, 1) & NEEDS_RESET).toBe(NEEDS_RESET);
    expect(driver.log.join()).toMatch(/gpa 0x\w+\+\d+: virtio-test is no bus master/);
    expect([driver.ram.at(room), ring.used(), driver.ram.wrote]).toEqual([[0], [], []]);
  });

  it('answers a queue outside RAM with DEVICE_NEEDS_RESET', () => {
    driver.negotiate(VERSION_1);
    driver.enable(0, { ...new SplitRing(driver.ram).layout, desc: 1n << 40n });
    expect([driver.get(28, 2), driver.get(20, 1)]).toEqual([0, 11 | NEEDS_RESET]);
    expect(driver.log.join()).toMatch(/outside RAM/);
  });
});

it('survives whatever a guest writes to its structures, table and configuration space', () => {
  const access = fc.record({
    where: fc.constantFrom('config', 'structures', 'table'),
    page: fc.nat(3),
    offset: fc.oneof(fc.nat(0x3f), fc.nat(0xffc)),
    width: fc.constantFrom<Width>(1, 2, 4),
    write: fc.boolean(),
    value: fc.oneof(fc.nat(0x20), fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 3, 11, 15, 0x1000, 0xffff_ffff)),
  });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 250 }), (accesses) => {
      const { fn, ranges } = new PciDriver();
      for (const { where, page, offset, width, write, value } of accesses) {
        const fit = width === 4 ? value : value % 2 ** (8 * width);
        const device = ranges.get(where === 'table' ? 1 : 0)?.device;
        const at = where === 'structures' ? 0x1000 * page + offset : offset;
        if (write && where === 'config') fn.writeConfig(at % 256, width, fit);
        else if (write) device?.write(at, width, fit);
        const read = where === 'config' ? fn.readConfig(at % 256, width) : (device?.read(at, width) ?? -1);
        expect(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width)).toBe(true);
      }
    }),
    { seed: 6, numRuns: 200 },
  );
});
