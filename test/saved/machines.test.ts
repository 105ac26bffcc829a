// Whole machines, put down between two instructions as plain data; another of the same options goes on from there.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/options.ts';

const rom = (name: string): Uint8Array => readFileSync(new URL(`../../roms/${name}`, import.meta.url));

/** Runs to the end, in steps of `step` instructions; where `moves`, in another machine after each of them. */
async function life(options: MachineOptions, step: number, moves: boolean) {
  let output = '';
  const make = async (): Promise<Machine> => {
    const machine = await Machine.create({ memory: '8M', ...options });
    machine.on('console', (text) => {
      output += text;
    });
    return machine;
  };
  let machine = await make();
  let count = 0;
  for (;;) {
    const outcome = await machine.run({ instructions: step });
    if (outcome.reason !== 'limit' || count > 200) {
      const ram = machine.core.memory.bytes(0, machine.core.memory.size);
      const sum = ram.reduce((all, byte, at) => (all * 31 + byte + at) | 0, 0);
      const { instructions, virtualSeconds } = machine.report;
      return { outcome, output, instructions, virtualSeconds, sum, count };
    }
    count++;
    if (!moves) continue;
    const state = structuredClone(await machine.save());
    machine = await make();
    machine.load(state);
  }
}

describe('a machine that is moved again and again ends as one that is not', () => {
  it.each<[string, number, MachineOptions]>([
    ['a guest that says hello', 3, { kernel: rom('hello.elf') }],
    ['a hypervisor, in the middle of its guest too', 97, { kernel: rom('vmx-hello.elf') }],
    ['a hypervisor with nested tables', 2003, { kernel: rom('vmx-ept.elf') }],
  ])('%s', async (_name, step, options) => {
    const stays = await life(options, step, false);
    const moves = await life(options, step, true);
    expect(moves).toEqual(stays);
    expect(stays.count).toBeGreaterThan(2);
  });

  it('a timer tick that is waited for', async () => {
    // sti; count: hlt; inc word [0x600]; cmp word [0x600], 20; jne count; mov al, [0x46c]; out 0xf4, al; .. a BIOS ticks
    const code = [0xfb, 0xf4, 0xff, 0x06, 0, 6, 0x83, 0x3e, 0, 6, 20, 0x75, 0xf4, 0xa0, 0x6c, 4, 0xe6, 0xf4];
    const options: MachineOptions = {
      kernel: Uint8Array.from(code),
      flat: { address: 0x7c00, mode: 16 },
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
    };
    const stays = await life(options, 50, false);
    const moves = await life(options, 50, true);
    expect(moves).toEqual(stays);
    expect(stays.outcome.reason).toBe('debug-exit');
    expect(stays.virtualSeconds).toBeGreaterThan(19 / 18.3);
  });

  it('refuses the state of another machine', async () => {
    const one = await Machine.create({ kernel: rom('hello.elf'), memory: '8M' });
    const [other, larger] = await Promise.all(
      [
        { kernel: rom('hello.elf'), memory: '8M', devices: [{ type: 'virtio-rng' }] },
        { kernel: rom('hello.elf'), memory: '9M' },
      ].map((options) => Machine.create(options as MachineOptions)),
    );
    const state = await other.save();
    expect(() => one.load(state)).toThrow("there is a state of 'virtio-rng[0].pci', which is no part of this machine");
    expect(() => larger.load(state)).toThrow('the state is of a machine with other RAM');
  });

  it('is not saved where a device of the embedder has no state', async () => {
    const device = { maxWidth: 1, read: () => 0, write: () => {} } as const;
    const custom = { type: 'custom', name: 'mine', iobase: 0x300, iosize: 1, device } as const;
    const machine = await Machine.create({ kernel: rom('hello.elf'), memory: '8M', devices: [custom] });
    await expect(machine.save()).rejects.toThrow("device 'mine' cannot be saved: it has no save and load");
  });
});
