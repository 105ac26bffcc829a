/**
 * A disk that a PC boots by its firmware: GRUB in its first megabyte, then an ext2 partition with a kernel, its initial RAM
 * disk and GRUB's menu. Made by Debian's tools without root's powers.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianPackage } from '../linux/debian.ts';

const SECTOR = 512;
const PARTITION_START = 2048;
const PARTITION_MIB = 64;
const MIB = 0x10_0000;
const LINUX_PARTITION = 0x83;
const ACTIVE = 0x80;
const TABLE = 0x1be;
const MODULES = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'linux', 'serial', 'terminal', 'echo'];

const menu = (append: string): string => `serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry 'Debian' {
  linux /vmlinuz ${append}
  initrd /initrd
}
`;

/** The bytes of a disk whose GRUB boots `kernel` with `initrd`. */
export function grubDisk(kernel: Uint8Array, initrd: Uint8Array, append: string): Uint8Array {
  const grub = join(debianPackage('grub-pc-bin'), 'usr/lib/grub/i386-pc');
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-grub-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(join(root, 'grub'), { recursive: true });
    writeFileSync(join(root, 'vmlinuz'), kernel);
    writeFileSync(join(root, 'initrd'), initrd);
    writeFileSync(join(root, 'grub/grub.cfg'), menu(append));
    const core = join(folder, 'core.img');
    const partition = join(folder, 'partition.img');
    const prefix = ['-O', 'i386-pc', '-d', grub, '-p', '(hd0,msdos1)/grub', '-o', core];
    const library = join(debianPackage('libdevmapper1.02.1'), 'lib/x86_64-linux-gnu');
    execFileSync(join(debianPackage('grub-common'), 'usr/bin/grub-mkimage'), [...prefix, ...MODULES], {
      env: { ...process.env, LD_LIBRARY_PATH: library },
    });
    execFileSync('/sbin/mke2fs', ['-q', '-t', 'ext2', '-d', root, partition, `${PARTITION_MIB}M`]);
    const disk = new Uint8Array(PARTITION_START * SECTOR + PARTITION_MIB * MIB);
    disk.set(readFileSync(join(grub, 'boot.img')));
    disk.fill(0, TABLE, SECTOR);
    disk.set(readFileSync(core), SECTOR);
    disk.set(readFileSync(partition), PARTITION_START * SECTOR);
    const view = new DataView(disk.buffer, TABLE, 16);
    view.setUint8(0, ACTIVE);
    view.setUint8(4, LINUX_PARTITION);
    view.setUint32(8, PARTITION_START, true);
    view.setUint32(12, (PARTITION_MIB * MIB) / SECTOR, true);
    disk.set([0x55, 0xaa], SECTOR - 2);
    return disk;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
