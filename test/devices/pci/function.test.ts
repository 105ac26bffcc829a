// Configuration space as a guest meets it: what it may write, where ranges go, when pins and messages are heard.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Width } from '../../../src/core/types.ts';
import { NoAccess } from '../../../src/devices/device.ts';
import { Command, Config, PciFunction, type PciHost, type PciRange } from '../../../src/devices/pci/function.ts';
import { Msi } from '../../../src/devices/pci/msi.ts';
import { MSIX_BYTES, Msix } from '../../../src/devices/pci/msix.ts';
import { ScratchBytes } from '../../../src/devices/testdev.ts';

const range = (name: string, kind: 'io' | 'memory', size: number): PciRange => ({
  name,
  kind,
  size,
  device: new ScratchBytes(4),
});

class Card extends PciFunction {
  readonly msix: Msix;
  readonly msi: Msi;

  constructor() {
    super({ name: 'card', vendor: 0x1234, device: 0x5678, revision: 9, classCode: 0x01_0802 });
    this.usePin(1);
    this.addBar(0, range('memory', 'memory', 0x4000));
    this.addBar(1, range('ports', 'io', 0x20));
    this.addBar(2, range('wide', 'memory', 0x1000), { is64: true, isPrefetchable: true });
    this.msix = new Msix(this, 4, 9);
    this.msi = new Msi(this);
  }
}

class Host implements PciHost {
  readonly places = new Map<string, number | null>();
  readonly messages: [address: number, data: number][] = [];
  line = false;

  place({ name }: PciRange, base: number | null): void {
    this.places.set(name, base);
  }

  intx(level: boolean): void {
    this.line = level;
  }

  msi(address: number, data: number): void {
    this.messages.push([address, data]);
  }
}

let card: Card;
let host: Host;

const read32 = (at: number): number => card.readConfig(at, 4);
const write32 = (at: number, value: number): void => card.writeConfig(at, 4, value);
const command = (value: number): void => card.writeConfig(Config.COMMAND, 2, value);

/** Where a capability begins; the list must lead to it. */
function capability(id: number): number {
  let at = card.readConfig(Config.CAPABILITIES, 1);
  for (let steps = 0; at !== 0 && steps < 48; steps++) {
    if (card.readConfig(at, 1) === id) return at;
    at = card.readConfig(at + 1, 1);
  }
  throw new Error(`no capability ${id}`);
}

beforeEach(() => {
  card = new Card();
  host = new Host();
  card.connect(host);
});

describe('the header', () => {
  it('says who it is, and cannot be told otherwise', () => {
    for (const at of [0, 8, 0x2c, 0x34]) write32(at, 0xffff_ffff);
    expect(read32(0)).toBe(0x5678_1234);
    expect(read32(8)).toBe(0x0108_0209);
    expect(card.readConfig(Config.STATUS, 2) & 0x10).toBe(0x10);
  });

  it('keeps the interrupt line for software, and the pin for itself', () => {
    card.writeConfig(Config.INTERRUPT_LINE, 2, 0x3311);
    expect(card.readConfig(Config.INTERRUPT_LINE, 2)).toBe(0x0111);
  });

  it('ends at 256 bytes', () => {
    expect(card.readConfig(0x100, 4)).toBe(0xffff_ffff);
    write32(0x100, 5);
  });
});

describe('a base address register', () => {
  it('tells its size and kind when all ones are written', () => {
    const sizes = [0, 1, 2, 3, 4, 5].map((index) => {
      write32(Config.BAR0 + 4 * index, 0xffff_ffff);
      return read32(Config.BAR0 + 4 * index);
    });
    expect(sizes).toEqual([0xffff_c000, 0xffff_ffe1, 0xffff_f00c, 0xffff_ffff, 0xffff_f000, 0]);
  });

  it('decodes only while its space is switched on', () => {
    write32(Config.BAR0, 0xc000_0000);
    write32(Config.BAR0 + 4, 0xc100);
    expect(host.places.size).toBe(0);
    command(Command.MEMORY);
    expect([...host.places]).toEqual([['memory', 0xc000_0000]]);
    command(Command.IO);
    expect(host.places.get('memory')).toBe(null);
    expect(host.places.get('ports')).toBe(0xc100);
  });

  it('moves with every write, byte by byte too', () => {
    command(Command.MEMORY);
    write32(Config.BAR0, 0xc000_0000);
    card.writeConfig(Config.BAR0 + 2, 1, 0x12);
    expect(host.places.get('memory')).toBe(0xc012_0000);
  });

  it('of 64 bits reaches beyond 4 GiB, and decodes nothing beyond what processors address', () => {
    command(Command.MEMORY);
    write32(Config.BAR0 + 8, 0x8000_0000);
    write32(Config.BAR0 + 12, 0x12);
    expect(host.places.get('wide')).toBe(0x12_8000_0000);
    write32(Config.BAR0 + 12, 0xffff_ffff);
    expect(host.places.get('wide')).toBe(null);
  });

  it('decodes nothing at address 0', () => {
    command(Command.MEMORY | Command.IO);
    expect([...host.places.values()].every((base) => base === null)).toBe(true);
  });
});

describe('the interrupt pin', () => {
  it('is heard unless the command register silences it, and shows in the status register', () => {
    card.setIntx(true);
    expect([host.line, card.readConfig(Config.STATUS, 2) & 8]).toEqual([true, 8]);
    command(Command.INTX_DISABLE);
    expect([host.line, card.readConfig(Config.STATUS, 2) & 8]).toEqual([false, 8]);
    command(0);
    expect(host.line).toBe(true);
    card.setIntx(false);
    expect(host.line).toBe(false);
  });

  it('is quiet while MSI-X is on', () => {
    card.setIntx(true);
    card.writeConfig(capability(0x11) + 2, 2, 0x8000);
    expect(host.line).toBe(false);
    card.writeConfig(capability(0x11) + 2, 2, 0);
    expect(host.line).toBe(true);
  });
});

describe('a function that is no bus master', () => {
  const memory = { size: 16, bytes: (pa: number, length: number) => new Uint8Array(length).fill(pa) };

  it('reaches no memory', () => {
    const dma = card.dma(memory);
    expect(() => dma.bytes(3, 1)).toThrow(new NoAccess('card is no bus master'));
    command(Command.BUS_MASTER);
    expect([dma.size, dma.bytes(3, 1)]).toEqual([16, Uint8Array.of(3)]);
    command(Command.MEMORY | Command.IO);
    expect(() => dma.bytes(3, 1)).toThrow(NoAccess);
  });

  it('sends no messages', () => {
    card.sendMessage(0xfee0_0000, 1);
    command(Command.BUS_MASTER);
    card.sendMessage(0xfee0_0000, 2);
    expect(host.messages).toEqual([[0xfee0_0000, 2]]);
  });
});

describe('MSI-X', () => {
  beforeEach(() => command(Command.BUS_MASTER));

  const entry = (vector: number, words: number[]): void => {
    for (const [n, word] of words.entries()) card.msix.write(16 * vector + 4 * n, 4, word);
  };
  const control = (value: number): void => card.writeConfig(capability(0x11) + 2, 2, value);

  it('says how many vectors there are and where', () => {
    const at = capability(0x11);
    expect(card.readConfig(at + 2, 2)).toBe(8);
    expect([read32(at + 4), read32(at + 8)]).toEqual([4, 0x804]);
  });

  it('sends the message of a vector', () => {
    control(0x8000);
    entry(2, [0xfee0_1000, 0, 0x41, 0]);
    card.msix.signal(2);
    expect(host.messages).toEqual([[0xfee0_1000, 0x41]]);
  });

  it('keeps a masked vector pending and sends it once when the mask goes', () => {
    control(0x8000);
    entry(8, [0xfee0_0000, 0, 0x50, 1]);
    card.msix.signal(8);
    card.msix.signal(8);
    expect(card.msix.read(0x800, 2)).toBe(0x100);
    expect(host.messages).toEqual([]);
    card.msix.write(16 * 8 + 12, 4, 0);
    expect(host.messages).toEqual([[0xfee0_0000, 0x50]]);
    expect(card.msix.read(0x800, 2)).toBe(0);
  });

  it('keeps all vectors pending behind the mask of the function', () => {
    control(0xc000);
    entry(0, [0xfee0_0000, 0, 0x50, 0]);
    card.msix.signal(0);
    expect(host.messages).toEqual([]);
    control(0x8000);
    expect(host.messages).toHaveLength(1);
  });

  it('is silent while it is off, for vectors that do not exist and for addresses beyond 4 GiB', () => {
    entry(0, [0xfee0_0000, 0, 0x50, 0]);
    card.msix.signal(0);
    control(0x8000);
    card.msix.signal(9);
    entry(1, [0xfee0_0000, 1, 0x50, 0]);
    card.msix.signal(1);
    expect(host.messages).toEqual([]);
  });

  it('begins with every vector masked', () => {
    expect(Array.from({ length: 9 }, (_, vector) => card.msix.read(16 * vector + 12, 4))).toEqual(new Array(9).fill(1));
  });
});

it('MSI sends its one message while it is on', () => {
  command(Command.BUS_MASTER);
  const at = capability(5);
  write32(at + 4, 0xfee0_2003);
  card.writeConfig(at + 12, 2, 0x4061);
  card.msi.signal();
  card.writeConfig(at + 2, 2, 1);
  card.msi.signal();
  expect(host.messages).toEqual([[0xfee0_2000, 0x4061]]);
});

it('whatever a guest writes, identity stays, values fit and ranges are aligned and below their limits', () => {
  const access = fc.record({
    toTable: fc.boolean(),
    offset: fc.oneof(fc.nat(0x7f), fc.nat(MSIX_BYTES - 4), fc.nat(0xfff)),
    width: fc.constantFrom<Width>(1, 2, 4),
    write: fc.boolean(),
    value: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 0xffff_ffff, 0x8000, 7)),
    signal: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 200 }), (accesses) => {
      card = new Card();
      host = new Host();
      card.connect(host);
      for (const { toTable, offset, width, write, value, signal } of accesses) {
        const fit = width === 4 ? value : value % 2 ** (8 * width);
        if (toTable && write) card.msix.write(offset, width, fit);
        else if (write) card.writeConfig(offset, width, fit);
        const read = toTable ? card.msix.read(offset, width) : card.readConfig(offset, width);
        expect(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width)).toBe(true);
        card.setIntx(signal % 2 === 1);
        card.msix.signal(signal);
        card.msi.signal();
      }
      expect([read32(0), read32(8)]).toEqual([0x5678_1234, 0x0108_0209]);
      for (const { range: one } of card.ranges) {
        const base = host.places.get(one.name) ?? null;
        if (base === null) continue;
        expect(base % one.size).toBe(0);
        expect(base > 0 && base + one.size <= (one.kind === 'io' ? 0x1_0000 : 2 ** 52)).toBe(true);
      }
      for (const [address, data] of host.messages) expect(address % 4 === 0 && data < 2 ** 32).toBe(true);
    }),
    { seed: 4, numRuns: 200 },
  );
});
