// Debian's cloud kernel with its root on NVMe, without an initial RAM disk: it makes ext4 on virtio disks, raw and qcow2,
// writes to them, reboots, and finds everything again; QEMU's and ext4's own tools then find nothing to complain about.
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { openDisk } from '../../src/node/image-file.ts';
import { makeFolder } from '../devices/block/image-lab.ts';
import { qemuImg, qemuImgOk } from '../devices/block/qemu-img.ts';
import { GuestConsole } from './console.ts';
import { prepareSoftware, type Software } from './guest.ts';
import { e2fs, makeRootDisk } from './root-disk.ts';

const MIB = 1 << 20;
const DATA_BYTES = 64 * MIB;
const DISK_BYTES = 128 * MIB;
const MODULES = ['virtio_pci', 'virtio_blk'];
const MINUTES = 60_000;

const folder = makeFolder();
const root = folder.path('root.raw');
const raw = folder.path('a.raw');
const backing = folder.path('backing.raw');
const image = folder.path('b.qcow2');
const data = Buffer.alloc(DATA_BYTES);
let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
  for (let at = 0, state = 1; at < DATA_BYTES; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data.writeUInt32LE(state, at);
  }
  makeRootDisk(root, 128, software, MODULES, { data });
  for (const file of [raw, backing]) {
    writeFileSync(file, '');
    truncateSync(file, DISK_BYTES);
  }
  qemuImgOk('create', '-q', '-f', 'qcow2', '-b', 'backing.raw', '-F', 'raw', image);
}, 15 * MINUTES);
afterAll(folder.remove);

describe("Debian's kernel", () => {
  it(
    'keeps 64 MB on raw and qcow2 disks over a reboot',
    async () => {
      const sum = createHash('md5').update(data).digest('hex');
      const drives = { root: openDisk(root), a: openDisk(raw), b: openDisk(image) };
      const machine = await Machine.create({
        memory: '128M',
        cpu: 'max',
        source: software.source,
        kernel: software.kernel,
        append: 'console=ttyS0 panic=-1 cryptomgr.notests root=/dev/nvme0n1 rw quiet',
        drives,
        devices: [
          { type: 'nvme', drive: 'root', serial: 'root-1' },
          { type: 'virtio-blk', drive: 'a', serial: 'raw-1' },
          { type: 'virtio-blk', drive: 'b', serial: 'qcow2-1' },
        ],
        reboot: true,
        waitForInput: true,
      });
      const log: string[] = [];
      machine.on('log', (line) => log.push(line));
      const guest = new GuestConsole(machine);
      const ended = machine.run({ instructions: 40e9 });
      const mount = 'mount -t ext4 /dev/vda /mnt/a && mount -t ext4 /dev/vdb /mnt/b';

      await guest.until(/the root is up\n/);
      expect(await guest.run('cat /sys/block/vda/serial; echo; cat /sys/block/vdb/serial; echo')).toBe(
        'raw-1\nqcow2-1\n',
      );
      expect(await guest.run('cat /sys/block/vdb/queue/write_cache')).toBe('write back\n');
      expect(await guest.run('cat /sys/class/nvme/nvme0/serial')).toMatch(/^root-1 *\n$/);
      await guest.run('mkfs.ext4 -q /dev/vda && mkfs.ext4 -q /dev/vdb');
      await guest.run(mount);
      await guest.run('cp /data /mnt/a/big && cp /data /mnt/b/big && sync');
      const sums = `${sum}  /mnt/a/big\n${sum}  /mnt/b/big\n`;
      expect(await guest.run('md5sum /mnt/a/big /mnt/b/big')).toBe(sums);
      await guest.run('umount /mnt/a /mnt/b && mount -o remount,ro /');
      guest.type('reboot -f');

      await guest.until(/the root is up\n/);
      await guest.run(mount);
      expect(await guest.run('md5sum /mnt/a/big /mnt/b/big')).toBe(sums);
      await guest.run('rm /mnt/a/big /mnt/b/big && fstrim /mnt/b && umount /mnt/a /mnt/b && mount -o remount,ro /');
      guest.type('poweroff -f');
      expect((await ended).reason).toBe('powered-off');
      for (const disk of Object.values(drives)) disk.close();

      expect(log).toEqual([]);
      expect(guest.output).not.toMatch(/WARNING: CPU|BUG:|I\/O error|EXT4-fs error/);
      const { status, text } = qemuImg('check', image);
      expect([status, status === 0 ? '' : text]).toEqual([0, '']);
      qemuImgOk('convert', '-O', 'raw', image, folder.path('b.raw'));
      for (const file of [root, raw, folder.path('b.raw')]) e2fs('e2fsck', '-fn', file);
      expect(readFileSync(backing).every((byte) => byte === 0)).toBe(true);
    },
    30 * MINUTES,
  );
});
