// Routing and splitting of port and memory-mapped accesses.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Width } from '../../../src/core/types.ts';
import type { Face } from '../../../src/devices/device.ts';
import { ScratchBytes } from '../../../src/devices/testdev.ts';
import { PcBus } from '../../../src/machine/board/bus.ts';

class Recorder implements Face {
  readonly stateOf = null;
  readonly maxWidth: Width;
  readonly log: string[] = [];

  constructor(maxWidth: Width) {
    this.maxWidth = maxWidth;
  }

  read(offset: number, width: Width): number {
    this.log.push(`r${offset}.${width}`);
    return 0x10 + offset;
  }

  write(offset: number, width: Width, value: number): void {
    this.log.push(`w${offset}.${width}=${value.toString(16)}`);
  }
}

let bus: PcBus;

beforeEach(() => {
  bus = new PcBus();
});

describe('the bus', () => {
  it.each([
    [1, 0xff],
    [2, 0xffff],
    [4, 0xffff_ffff],
  ] as const)('reads %i bytes as all ones where nobody answers', (width, ones) => {
    expect(bus.portIn(0x80, width)).toBe(ones);
    expect(bus.mmioRead(0xd000_0000, width)).toBe(ones);
    bus.portOut(0x80, width, 0);
    bus.mmioWrite(0xd000_0000, width, 0);
  });

  it('hands a device offsets and whole accesses up to its width', () => {
    const device = new Recorder(4);
    bus.mapPorts('wide', 0x100, 8, device);
    bus.portOut(0x104, 4, 0x8000_0001);
    bus.portIn(0x106, 2);
    expect(device.log).toEqual(['w4.4=80000001', 'r6.2']);
  });

  it('splits what is too wide for a device, lowest byte first', () => {
    const device = new Recorder(1);
    bus.mapPorts('narrow', 0x100, 4, device);
    bus.portOut(0x100, 4, 0x4433_2211);
    expect(device.log).toEqual(['w0.1=11', 'w1.1=22', 'w2.1=33', 'w3.1=44']);
    expect(bus.portIn(0x100, 4)).toBe(0x1312_1110);
  });

  it('splits an access that straddles two devices or the end of one', () => {
    const [left, right] = [new Recorder(4), new Recorder(4)];
    bus.mapPorts('left', 0x100, 2, left);
    bus.mapPorts('right', 0x102, 1, right);
    expect(bus.portIn(0x100, 4)).toBe(0xff10_0010);
    expect(left.log).toEqual(['r0.2']);
    expect(right.log).toEqual(['r0.1']);
  });

  it('answers the bytes of an access whose first byte is nobody’s', () => {
    bus.mapPorts('late', 0x101, 1, new Recorder(1));
    expect(bus.portIn(0x100, 2)).toBe(0x10ff);
  });

  it('routes memory-mapped accesses the same way', () => {
    bus.mapMmio('ram', 0xff00_0000, 0x1_0000, new ScratchBytes(0x1_0000));
    bus.mmioWrite(0xff00_fffc, 4, 0xcafe_babe);
    expect(bus.mmioRead(0xff00_fffe, 2)).toBe(0xcafe);
    expect(bus.mmioRead(0xff00_fffe, 4)).toBe(0xffff_cafe);
  });

  it('keeps values unsigned', () => {
    bus.mapMmio('ram', 0, 4, new ScratchBytes(4));
    bus.mmioWrite(0, 4, 0xffff_fffe);
    expect(bus.mmioRead(0, 4)).toBe(0xffff_fffe);
  });

  it('refuses overlapping ranges and names both', () => {
    bus.mapPorts('first', 0x3f8, 8, new Recorder(1));
    expect(() => bus.mapPorts('second', 0x3ff, 1, new Recorder(1))).toThrow('port 0x3ff of second belongs to first');
    bus.mapMmio('one', 0x1000, 0x1000, new Recorder(1));
    expect(() => bus.mapMmio('two', 0x1fff, 1, new Recorder(1))).toThrow('of two overlap those of one');
    expect(() => bus.mapPorts('past', 0xffff, 2, new Recorder(1))).toThrow('outside');
  });

  it('counts what the processor did, and what each device got', () => {
    bus.mapPorts('device', 0x60, 1, new Recorder(1));
    bus.portIn(0x60, 1);
    bus.portIn(0x60, 2);
    bus.portOut(0x61, 1, 0);
    expect(bus.counts).toEqual({ portReads: 2, portWrites: 1, mmioReads: 0, mmioWrites: 0 });
    expect(bus.regions).toMatchObject([{ name: 'device', reads: 2, writes: 0 }]);
  });

  it('passes the INTA cycle on', () => {
    expect(bus.interruptAcknowledge()).toBe(0xff);
    bus.onAcknowledge({ acknowledge: () => 0x20 });
    expect(bus.interruptAcknowledge()).toBe(0x20);
  });
});
