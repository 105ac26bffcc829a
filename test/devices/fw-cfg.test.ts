// The DMA interface of fw_cfg: requests in guest memory, big-endian, and guests that lie in them.
import { describe, expect, it } from 'vitest';
import { FwCfg, FwCfgKey } from '../../src/devices/fw-cfg.ts';
import { PlainMemory } from '../machine/plain-memory.ts';

const REQUEST = 0x100;
const Control = { ERROR: 1, READ: 2, SKIP: 4, SELECT: 8, WRITE: 16 };

function machine() {
  const memory = new PlainMemory(0x1000);
  const written: [number, number][] = [];
  const device = new FwCfg({ memory, wrote: (pa, length) => written.push([pa, length]) });
  const swapped = (value: number): number =>
    new DataView(Uint32Array.of(value).buffer).getUint32(0, new Uint8Array(Uint32Array.of(1).buffer)[0] === 0);
  /** Asks for one transfer and returns the control field as it ended. */
  const request = (control: number, length = 0, address = 0n, at = REQUEST): number => {
    const bytes = memory.bytes(REQUEST, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    view.setUint32(0, control);
    view.setUint32(4, length);
    view.setBigUint64(8, address);
    device.write(4, 4, 0);
    device.write(8, 4, swapped(at));
    return view.getUint32(0);
  };
  return { memory, device, request, written };
}

const select = (key: number): number => ((key << 16) | Control.SELECT) >>> 0;

describe('fw_cfg by DMA', () => {
  it('is told by the ID register and by the signature', () => {
    const { device } = machine();
    device.write(0, 2, FwCfgKey.ID);
    expect(device.read(1, 1)).toBe(3);
    const text = [4, 5, 6, 7, 8, 9, 10, 11].map((offset) => String.fromCharCode(device.read(offset, 1))).join('');
    expect(text).toBe('QEMU CFG');
    expect(device.read(4, 4)).toBe(0x554d_4551);
  });

  it('copies an item, goes on where it stopped, and pads with zeros', () => {
    const { memory, device, request, written } = machine();
    device.addFile('opt/test', Uint8Array.of(1, 2, 3, 4, 5));
    memory.bytes(0x200, 8).fill(0xff);
    expect(request(select(FwCfgKey.FILE_FIRST) | Control.READ, 2, 0x200n)).toBe(0);
    expect(request(Control.SKIP, 1)).toBe(0);
    expect(request(Control.READ, 4, 0x202n)).toBe(0);
    expect([...memory.bytes(0x200, 8)]).toEqual([1, 2, 4, 5, 0, 0, 0xff, 0xff]);
    expect(written).toContainEqual([0x202, 4]);
  });

  it('does a long transfer in turns, charges for it, and says so when it is done', () => {
    const MIB = 1 << 20;
    const memory = new PlainMemory(12 * MIB);
    const rest: (() => void)[] = [];
    let work = 0;
    const device = new FwCfg({
      memory,
      wrote: () => {},
      defer: (_name, turn) => () => void rest.push(turn),
      charge: (bytes) => void (work += bytes),
    });
    device.addFile('opt/test', new Uint8Array(7 * MIB).fill(7));
    memory.bytes(MIB, 10 * MIB).fill(0xff);
    const bytes = memory.bytes(REQUEST, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    const start = (): void => {
      view.setUint32(0, select(FwCfgKey.FILE_FIRST) | Control.READ);
      view.setUint32(4, 10 * MIB);
      view.setBigUint64(8, BigInt(MIB));
      device.write(8, 4, 0x0001_0000);
    };
    start();
    const begun = view.getUint32(0);
    device.write(8, 4, 0x0001_0000);
    for (let turn = rest.shift(); turn; turn = rest.shift()) {
      expect(view.getUint32(0)).toBe(begun);
      turn();
    }
    expect([view.getUint32(0), work]).toEqual([0, 10 * MIB]);
    const copied = memory.bytes(MIB, 10 * MIB);
    expect([copied.lastIndexOf(7), copied.indexOf(0), copied.indexOf(0xff)]).toEqual([7 * MIB - 1, 7 * MIB, -1]);
  });

  it('reads an item anew at each selection where a function gives it', () => {
    const { memory, device, request } = machine();
    let value = 6;
    device.addFile('opt/test', () => Uint8Array.of(value));
    value = 7;
    request(select(FwCfgKey.FILE_FIRST) | Control.READ, 1, 0x200n);
    expect(memory.bytes(0x200, 1)[0]).toBe(7);
  });

  it.each([
    ['writes an item', Control.WRITE, 1, 0x200n],
    ['reads to outside RAM', Control.READ, 16, 0xff8n],
    ['reads to an address beyond all', Control.READ, 16, 0xffff_ffff_ffff_fff0n],
    ['reads four gigabytes', Control.READ, 0xffff_ffff, 0n],
  ])('answers a request that %s with the error bit', (_what, control, length, address) => {
    const { request } = machine();
    expect(request(control, length, address)).toBe(Control.ERROR);
  });

  it('ignores a request that lies outside RAM', () => {
    const { request, written } = machine();
    expect(request(Control.READ, 4, 0x200n, 0xffc)).toBe(Control.READ);
    expect(written).toEqual([]);
  });
});
