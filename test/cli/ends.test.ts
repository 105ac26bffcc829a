// However a run ends from outside, disks keep what they were given, and the exit code says what happened.
import { statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { closeAll } from '../../src/cli/close-all.ts';
import { openDisk } from '../../src/node/image-file.ts';
import { makeFolder } from '../devices/block/image-lab.ts';
import { qemuImg, qemuImgOk } from '../devices/block/qemu-img.ts';
import { machineCode } from '../machine-code.ts';
import { ADDRESS, BLOCK, diskGuest, FILLER, WRITTEN } from './disk-guest.ts';
import { type Running, vmlaunch } from './process.ts';

vi.setConfig({ testTimeout: 120_000 });
const BLOCKS = 64;
const folder = makeFolder();
const image = folder.path('a.qcow2');
const guest = folder.path('guest.bin');
const BOOT = ['-M', 'microvm', '-m', '16', '-device', `loader,file=${guest},addr=${ADDRESS},mode=32`];
const drive = (path: string, id: string): string[] => [
  '-drive',
  `file=${path},if=none,id=${id}`,
  '-device',
  `virtio-blk-device,drive=${id}`,
];

beforeAll(() => writeFileSync(guest, diskGuest([BLOCKS])));
afterAll(folder.remove);

/** How many blocks from the start hold what the guest wrote. */
function kept(path: string): number {
  const disk = openDisk(path, { isReadOnly: true });
  const block = new Uint8Array(BLOCK);
  let count = 0;
  for (; count < disk.capacity / BLOCK; count++) {
    disk.read(count * BLOCK, block);
    if (block.some((byte) => byte !== FILLER)) break;
  }
  disk.close();
  return count;
}

describe('a run that ends by', () => {
  it.each<[string, number | number[], (run: Running) => void, RegExp]>([
    ['SIGINT', 130, ({ child }) => child.kill('SIGINT'), /ended by a signal/],
    ['SIGTERM, where the guest has no power button', 143, ({ child }) => child.kill('SIGTERM'), /ended by a signal/],
    ['SIGHUP: the terminal is gone', 129, ({ child }) => child.kill('SIGHUP'), /ended by a signal/],
    ['SIGQUIT', 131, ({ child }) => child.kill('SIGQUIT'), /ended by a signal/],
    ['a reader that leaves', 141, ({ child }) => child.stdout?.destroy(), /nobody reads the output any more/],
    [
      'SIGINT after the error output is gone',
      130,
      ({ child }) => {
        child.stderr?.destroy();
        child.kill('SIGINT');
      },
      /^$/,
    ],
    [
      // Whichever of the two is heard of first.
      'SIGHUP, when the output is gone too',
      [129, 141],
      ({ child }) => {
        child.kill('SIGHUP');
        child.stdout?.destroy();
      },
      /ended by a signal|nobody reads the output any more/,
    ],
    [
      'SIGINT, twice',
      130,
      ({ child }) => {
        child.kill('SIGINT');
        child.kill('SIGINT');
      },
      /ended by a signal/,
    ],
  ])('%s keeps what the guest wrote and did not flush', async (_how, code, end, message) => {
    qemuImgOk('create', '-q', '-f', 'qcow2', image, String(BLOCKS * BLOCK));
    const run = vmlaunch([...BOOT, ...drive(image, 'd')]);
    await run.says(WRITTEN);
    end(run);
    expect([code].flat()).toContain(await run.ended);
    expect(run.errors()).toMatch(message);
    expect(kept(image)).toBe(BLOCKS);
    expect(qemuImg('check', image).status).toBe(0);
  });
});

describe('closing', () => {
  it('goes on after what fails, and says all that failed', async () => {
    const calls: string[] = [];
    const end = (name: string, message?: string) => async (): Promise<void> => {
      calls.push(name);
      if (message) throw new Error(message);
    };
    await closeAll([end('a'), end('b')]);
    await expect(closeAll([end('c', 'c is full'), end('d')])).rejects.toThrow(/^c is full$/);
    await expect(closeAll([end('e', 'e is full'), end('f', 'f is gone'), end('g')])).rejects.toThrow(
      'e is full; f is gone',
    );
    expect(calls.join('')).toBe('abcdefg');
  });
});

describe('a host without room', () => {
  it.each([
    ['-debugcon', ['-debugcon', 'file:/dev/full']],
    ['-serial', ['-serial', 'file:/dev/full', '-serial', 'stdio']],
    ['-d -D', ['-d', 'int,in_asm', '-D', '/dev/full']],
    ['filter-dump', ['-netdev', 'user,id=n', '-object', 'filter-dump,netdev=n,file=/dev/full']],
    [
      '-chardev file',
      ['-chardev', 'file,id=c,path=/dev/full', '-device', 'virtio-serial-device', '-device', 'virtconsole,chardev=c'],
    ],
  ])('for %s does not end the machine', async (option, args) => {
    const listing = `
      b0 41     mov al, 'A'
      e6 e9     out 0xe9, al
      ba f8 03  mov dx, 0x3f8
      ee        out dx, al
      ba f8 02  mov dx, 0x2f8
      ee        out dx, al
      cd 03     int 3
      fa        cli
      f4        hlt
    `;
    const code = folder.path('code.bin');
    writeFileSync(code, machineCode(16, 0x7c00, listing));
    const run = vmlaunch([
      '-M',
      'microvm',
      '-m',
      '1',
      '-device',
      `loader,file=${code},addr=0x7c00`,
      ...args,
      '-limit',
      '1000',
    ]);
    expect([await run.ended, run.errors()]).toEqual([
      expect.toSatisfy((code) => code === 100 || code === 104),
      expect.stringMatching(/the (limit|guest)/),
    ]);
    if (option !== '-chardev file') expect(run.errors().match(/\/dev\/full ends here: ENOSPC/g)).toHaveLength(1);
  });

  it('for the standard output does not end the machine either', async () => {
    const code = folder.path('code.bin');
    const listing = `
      b0 41  mov al, 'A'
      e6 e9  out 0xe9, al
      e6 e9  out 0xe9, al
      fa     cli
      f4     hlt
    `;
    writeFileSync(code, machineCode(16, 0x7c00, listing));
    const args = ['-M', 'microvm', '-m', '1', '-device', `loader,file=${code},addr=0x7c00`];
    const run = vmlaunch(args, { output: '/dev/full' });
    expect(await run.ended).toBe(100);
    expect(run.errors()).toMatch(/cannot write to the standard output any more: .*ENOSPC/);
    expect(run.errors()).toContain('the guest halted');
  });

  it("for one disk does not lose the other's data", async () => {
    const other = folder.path('b.qcow2');
    for (const path of [image, other]) qemuImgOk('create', '-q', '-f', 'qcow2', path, String(BLOCKS * BLOCK));
    writeFileSync(folder.path('two.bin'), diskGuest([BLOCKS, 8]));
    const boot = BOOT.map((word) => word.replace(guest, folder.path('two.bin')));
    // A file may have 2 MiB: a write beyond is EFBIG, once SIGXFSZ is ignored.
    const shell = "trap '' XFSZ; ulimit -f 2048";
    const run = vmlaunch([...boot, ...drive(image, 'd'), ...drive(other, 'e')], { shell });
    await run.says(WRITTEN);
    run.child.kill('SIGINT');
    await run.ended;
    expect(kept(other)).toBe(8);
    expect(statSync(image).size).toBeLessThanOrEqual(2 << 20);
    for (const path of [image, other]) expect(qemuImg('check', path).status).toBe(0);
  });
});
