// Where the firmware boots from: the first disk with a boot sector, by the command and in the library; or nowhere.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command } from '../../../src/cli/command.ts';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { fakeHost } from '../../cli/fake-host.ts';

const EXIT = { type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 } as const;
/** mov ax, 0e48h; int 10h; mov al, 'i'; int 10h; mov al, dl; out 0xf4, al */
const HI = [0xb8, 0x48, 0x0e, 0xcd, 0x10, 0xb0, 0x69, 0xcd, 0x10, 0x88, 0xd0, 0xe6, 0xf4];

function diskWith(code: readonly number[], signature = 0xaa): Uint8Array {
  const disk = new Uint8Array(0x1_0000);
  disk.set(code);
  disk.set([0x55, signature], 510);
  return disk;
}

async function run(disks: readonly Uint8Array[], options: Partial<MachineOptions> = {}) {
  const drives = Object.fromEntries(disks.map((bytes, index) => [`d${index}`, ramDisk(bytes)]));
  const devices = disks.map((_, index) => ({ type: 'virtio-blk', drive: `d${index}` }) as const);
  const machine = await Machine.create({ memory: '2M', drives, devices: [...devices, EXIT], ...options });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  return { outcome: await machine.run({ instructions: 1_000_000 }), output };
}

describe('a machine without a kernel', () => {
  it('starts the boot sector of its first disk, whose number is in DL', async () => {
    expect(await run([diskWith(HI)])).toEqual({ output: 'Hi', outcome: { reason: 'debug-exit', code: 0x80 } });
  });

  it('goes on to the next disk where the first has none', async () => {
    expect(await run([diskWith(HI, 0), diskWith(HI)])).toEqual({
      output: 'Hi',
      outcome: { reason: 'debug-exit', code: 0x81 },
    });
  });

  it('does so on a microvm too, which has neither VGA nor PCI', async () => {
    const { output, outcome } = await run([diskWith(HI)], { machine: 'microvm' });
    expect([output, outcome]).toEqual(['Hi', { reason: 'debug-exit', code: 0x80 }]);
  });

  it('reads the boot sector anew after a reset', async () => {
    // mov al, '.'; int 10h (AH = 0eh); cmp byte [600h], 2; inc byte [600h]; jae to the exit; far jump to the reset's entry
    const code = [0xb8, 0x2e, 0x0e, 0xcd, 0x10, 0x80, 0x3e, 0x00, 0x06, 0x02, 0x73, 0x09, 0xfe, 0x06, 0x00, 0x06];
    const resets = [...code, 0xea, 0xf0, 0xff, 0x00, 0xf0, 0x88, 0xd0, 0xe6, 0xf4];
    const { output, outcome } = await run([diskWith(resets)], { reboot: true });
    expect([output, outcome]).toEqual(['...', { reason: 'debug-exit', code: 0x80 }]);
  });

  it('says so and halts where no disk has one', async () => {
    expect(await run([diskWith(HI, 0)])).toEqual({ output: 'No bootable disk.\r\n', outcome: { reason: 'halted' } });
  });
});

it('a flat image in real mode has the services', async () => {
  const flat = { address: 0x7c00, mode: 16 } as const;
  const machine = await Machine.create({ memory: '2M', kernel: Uint8Array.from(HI), flat, devices: [EXIT] });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  expect((await machine.run({ instructions: 100_000 })).reason).toBe('debug-exit');
  expect(output).toBe('Hi');
});

it('the command boots a disk that is all that it is given', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-boot-'));
  try {
    const path = join(folder, 'disk.img');
    writeFileSync(path, diskWith(HI));
    const host = fakeHost();
    const line = `-hda ${path} -device isa-debug-exit,iobase=0xf4,iosize=4 -m 2M -no-reboot`;
    // (80h << 1) | 1, of which an exit code has eight bits.
    expect(await command(line.split(' '), host)).toBe(1);
    expect(host.output).toBe('Hi');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
