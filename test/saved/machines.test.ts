// Whole machines, put down between two instructions as plain data; another of the same options goes on from there.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/options.ts';

/** To be raised by hand. */
const MOVES = 4;
const MOST = 50_000_000;

const rom = (name: string): Uint8Array => readFileSync(new URL(`../../roms/${name}`, import.meta.url));

/** Runs to the end; at each of `points`, numbers of instructions, another machine goes on. */
async function life(options: MachineOptions, points: readonly number[]) {
  let output = '';
  const make = async (): Promise<Machine> => {
    const machine = await Machine.create({ memory: '8M', ...options });
    machine.on('console', (text) => {
      output += text;
    });
    return machine;
  };
  let machine = await make();
  for (const point of points) {
    const early = await machine.run({ instructions: point - machine.report.instructions });
    expect(early).toEqual({ reason: 'limit' });
    const state = structuredClone(await machine.save());
    machine = await make();
    machine.load(state);
  }
  const outcome = await machine.run({ instructions: MOST });
  const { memory } = machine.core;
  const ram = createHash('sha1').update(memory.bytes(0, memory.size)).digest('hex');
  const { instructions, virtualSeconds } = machine.report;
  return { outcome, output, instructions, virtualSeconds, ram };
}

describe('a machine that is moved again and again ends as one that is not', () => {
  it.each(['hello.elf', 'vmx-hello.elf', 'vmx-ept.elf', 'vmx-shadow.elf'])(
    '%s',
    async (name) => {
      const options = { kernel: rom(name) };
      const stays = await life(options, []);
      const points = Array.from({ length: MOVES }, (_, n) => Math.ceil(((n + 1) * stays.instructions) / (MOVES + 1)));
      expect(await life(options, points)).toEqual(stays);
      expect(stays.instructions).toBeGreaterThan(MOVES);
    },
    120_000,
  );
});

describe('a machine', () => {
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

  it('has each of several devices of a kind as a part of its own, on either transport', async () => {
    const kinds = ['virtio-rng-device', 'virtio-rng-pci', 'virtio-rng-device'] as const;
    const devices = kinds.map((type) => ({ type }));
    const machine = await Machine.create({ kernel: rom('hello.elf'), memory: '8M', devices });
    const { parts } = (await machine.save()).board as { parts: object };
    const names = Object.keys(parts).filter((name) => name.startsWith('virtio'));
    expect(names).toEqual(['virtio-rng[0].mmio', 'virtio-rng[1].pci', 'virtio-rng[2].mmio']);
  });

  it('is not saved where a device of the embedder has no state', async () => {
    const device = { maxWidth: 1, read: () => 0, write: () => {} } as const;
    const custom = { type: 'custom', name: 'mine', iobase: 0x300, iosize: 1, device } as const;
    const machine = await Machine.create({ kernel: rom('hello.elf'), memory: '8M', devices: [custom] });
    await expect(machine.save()).rejects.toThrow("device 'mine' cannot be saved: it has no save and load");
  });
});
