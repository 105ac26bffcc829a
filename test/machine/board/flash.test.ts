// Where flash chips lie, and which are refused.
import { describe, expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { flashChips } from '../../../src/machine/board/flash.ts';
import { planMachine } from '../../../src/machine/plan.ts';

const drives = { code: ramDisk(new Uint8Array(0x3000)), vars: ramDisk(new Uint8Array(0x1000)) };
const chip = (drive: string, unit?: number) => ({ type: 'pflash', drive, unit });

describe('flash chips', () => {
  it('end at 4 GiB, unit 1 below unit 0, whatever their order is', () => {
    const chips = flashChips([chip('vars', 1), { type: 'virtio-blk' }, chip('code')], drives);
    expect(chips.map(({ unit, base }) => [unit, base])).toEqual([
      [0, 0xffff_d000],
      [1, 0xffff_c000],
    ]);
  });

  it.each([
    [[chip('none')], "pflash: drive 'none' does not exist"],
    [[chip('vars', 1)], 'pflash: unit 0 is missing or there twice'],
    [[chip('code'), chip('vars')], 'pflash: unit 1 is missing or there twice'],
  ])('%j are refused', (specs, message) => {
    expect(() => flashChips(specs, drives)).toThrow(message);
  });

  it.each([0x1200, 0x90_0000])('of %i bytes are refused', (bytes) => {
    expect(() => flashChips([chip('odd')], { odd: ramDisk(new Uint8Array(bytes)) })).toThrow('multiples of 4096');
  });

  it('and firmware exclude each other', async () => {
    const options = { bios: new Uint8Array(0x1_0000), devices: [{ type: 'pflash', drive: 'code' } as const], drives };
    await expect(planMachine(options)).rejects.toThrow('bios and pflash exclude each other');
  });
});
