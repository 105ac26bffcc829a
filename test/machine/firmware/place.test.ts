// What -kernel guests find below 1 MiB: vectors, data areas, the MP table; and images that want the room for themselves.
import { describe, expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { geometryOf } from '../../../src/machine/firmware/bios-data.ts';
import { mpTable } from '../../../src/machine/firmware/mp-table.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { elfImage } from './loaders/images.ts';

const MIB = 0x10_0000;
const HLT = Uint8Array.of(0xf4);
const kernel = elfImage(32, MIB, [{ physical: MIB, bytes: HLT }]);

async function memoryOf(options: MachineOptions) {
  const { core } = await Machine.create({ memory: '4M', ...options });
  const bytes = core.memory.bytes(0, MIB);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    core,
    bytes,
    word: (at: number) => view.getUint16(at, true),
    dword: (at: number) => view.getUint32(at, true),
  };
}

describe('a kernel finds', () => {
  it('the BIOS data area: EBDA, base memory, serial ports, an empty buffer of keys', async () => {
    const { word, bytes } = await memoryOf({ kernel, serialPorts: 2 });
    expect([0x400, 0x402, 0x404, 0x40e, 0x413].map(word)).toEqual([0x3f8, 0x2f8, 0, 0x9fc0, 639]);
    expect(word(0x41a)).toBe(word(0x41c));
    expect([word(0x480), word(0x482)]).toEqual([0x1e, 0x3e]);
    expect([bytes[0x449], word(0x44a), bytes[0x484] + 1]).toEqual([3, 80, 25]);
    expect(bytes[0x9_fc00]).toBe(1);
  });

  it('every vector in the firmware but the disk tables and those for programs', async () => {
    const { word, bytes } = await memoryOf({ kernel });
    for (let vector = 0; vector < 256; vector++) {
      const [offset, segment] = [word(4 * vector), word(4 * vector + 2)];
      if (vector === 0x41 || vector === 0x46) expect(segment).toBe(0x9fc0);
      else if ((vector >= 0x60 && vector <= 0x67) || (vector >= 0x1d && vector <= 0x1f) || vector === 0x43) {
        expect([vector, offset]).toEqual([vector, 0]);
      } else {
        expect([vector, segment]).toEqual([vector, 0xf000]);
        expect(offset).toBeGreaterThanOrEqual(0xe000);
      }
    }
    // A far jump at the reset's address, and an AT's model byte.
    expect([bytes[0xf_fff0], bytes[0xf_fffe]]).toEqual([0xea, 0xfc]);
  });

  it('the ticks of the time of day', async () => {
    const noon = await memoryOf({ kernel, date: new Date('2026-02-03T12:00:00Z') });
    // Half of 1800B0h ticks, to within one.
    expect(Math.abs(noon.dword(0x46c) - 0xc_0058)).toBeLessThanOrEqual(1);
  });

  it('its disks by number', async () => {
    const drives = { a: ramDisk(new Uint8Array(MIB)), b: ramDisk(new Uint8Array(MIB)) };
    const devices = [
      { type: 'nvme', drive: 'b' },
      { type: 'virtio-blk', drive: 'a' },
    ] as const;
    expect((await memoryOf({ kernel, drives, devices })).bytes[0x475]).toBe(2);
  });
});

it('an image keeps what it lies on', async () => {
  const own = new Uint8Array(0x500).fill(0x11);
  const low = elfImage(32, MIB, [
    { physical: 0, bytes: own },
    { physical: MIB, bytes: HLT },
  ]);
  const { bytes, word } = await memoryOf({ kernel: low });
  expect(bytes.subarray(0, 0x500)).toEqual(own);
  expect(word(0xf_fff0) & 0xff).toBe(0xea);
});

it('a flat image in protected mode finds nothing but itself', async () => {
  const { word, bytes } = await memoryOf({ kernel: HLT, flat: { address: MIB, mode: 32 } });
  expect([word(0x40e), word(0x413), bytes[0xf_fff0]]).toEqual([0, 0, 0]);
});

describe('the MP table', () => {
  const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
  const entriesOf = (table: Uint8Array): number[][] => {
    const entries: number[][] = [];
    for (let at = 16 + 44; at < table.length; ) {
      const length = table[at] === 0 ? 20 : 8;
      entries.push([...table.subarray(at, at + length)]);
      at += length;
    }
    return entries;
  };
  const table = mpTable(0xf_5000, { vcpus: 2, pciSlots: [1, 3] });
  const view = new DataView(table.buffer);

  it('has a floating pointer and a header whose sums are 0', () => {
    expect(new TextDecoder().decode(table.subarray(0, 4))).toBe('_MP_');
    expect(view.getUint32(4, true)).toBe(0xf_5010);
    expect(sum(table.subarray(0, 16))).toBe(0);
    expect(new TextDecoder().decode(table.subarray(16, 20))).toBe('PCMP');
    expect(view.getUint16(20, true)).toBe(table.length - 16);
    expect(sum(table.subarray(16))).toBe(0);
    expect(view.getUint16(16 + 34, true)).toBe(entriesOf(table).length);
    expect(view.getUint32(16 + 36, true)).toBe(0xfee0_0000);
  });

  it('lists processors, the first of which started the machine', () => {
    const processors = entriesOf(table).filter(([kind]) => kind === 0);
    expect(processors.map(([, id, , flags]) => [id, flags])).toEqual([
      [0, 3],
      [1, 1],
    ]);
  });

  it('sends the timer to pin 2, other lines to their own, and the wires of PCI slots to pins 16 to 19', () => {
    const wires = entriesOf(table).filter(([kind]) => kind === 3);
    const to = new Map(wires.map(([, , , , bus, source, , pin]) => [`${bus}/${source}`, pin]));
    expect([to.get('1/0'), to.get('1/1'), to.get('1/4'), to.get('1/15'), to.get('1/2')]).toEqual([
      2,
      1,
      4,
      15,
      undefined,
    ]);
    // Wires rotate from slot to slot: pin A of slot 1 is the second wire, of slot 3 the fourth.
    expect([to.get(`0/${1 << 2}`), to.get(`0/${3 << 2}`), to.get(`0/${(3 << 2) | 1}`)]).toEqual([17, 19, 16]);
  });

  it('is there for kernels that are not told of ACPI', async () => {
    const { dword } = await memoryOf({ kernel });
    expect(dword(0xf_5000)).toBe(0x5f50_4d5f);
  });
});

describe('a disk', () => {
  it.each([
    [1, 1, 16],
    [504, 1024, 16],
    [2016, 1024, 64],
    [8064, 1023, 255],
    [100_000, 1024, 255],
  ])('of %i MiB has %i cylinders of %i heads', (mebibytes, cylinders, heads) => {
    const geometry = geometryOf(mebibytes * MIB);
    expect(geometry.sectors).toBe(63);
    expect(geometry.heads).toBe(heads);
    expect(Math.abs(geometry.cylinders - cylinders)).toBeLessThanOrEqual(8);
    expect(geometry.cylinders * heads * 63 * 512).toBeLessThanOrEqual(Math.max(mebibytes * MIB, 16 * 63 * 512));
  });
});
