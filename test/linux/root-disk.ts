/** A root file system of busybox, modules and Debian's e2fsprogs with their libraries, as an ext4 image. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { debianPackage } from './debian.ts';
import { kernelModules, type Software } from './guest.ts';

const PACKAGES = ['libc6', 'libext2fs2', 'libcom-err2', 'libblkid1', 'libuuid1'];
const LOADER = 'lib64/ld-linux-x86-64.so.2';
const FOLDERS = ['bin', 'sbin', 'dev', 'proc', 'sys', 'tmp', 'mnt/a', 'mnt/b', 'lib', 'lib64', 'etc'];

/** The first process: a shell that reads the serial port. */
const init = (load: string): string => `#!/bin/busybox sh
export PATH=/bin:/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
${load}stty -echo < /dev/ttyS0
echo "the root is up"
exec sh /dev/ttyS0
`;

/** A program of e2fsprogs on the host: the installed one, or the package's. */
export function e2fs(program: string, ...args: string[]): string {
  const installed = join('/sbin', program);
  const path = existsSync(installed) ? installed : join(debianPackage('e2fsprogs'), installed);
  try {
    return execFileSync(path, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, message } = error as { stdout?: string; message: string };
    throw new Error(`${program} ${args.join(' ')}: ${message} ${stdout ?? ''}`);
  }
}

/** Makes the file system in a file, by way of a folder beside it. */
export function makeRootDisk(
  image: string,
  megabytes: number,
  software: Software,
  modules: readonly string[],
  files: Readonly<Record<string, Uint8Array>> = {},
): void {
  const root = `${image}.root`;
  for (const folder of FOLDERS) mkdirSync(join(root, folder), { recursive: true });
  cpSync(join(debianPackage('busybox-static'), 'bin/busybox'), join(root, 'bin/busybox'));
  const drivers = kernelModules(software, modules);
  for (const { path, bytes } of drivers.files) if (bytes) writeFileSync(join(root, path), bytes);
  const tools = debianPackage('e2fsprogs');
  cpSync(join(tools, 'etc/mke2fs.conf'), join(root, 'etc/mke2fs.conf'));
  cpSync(realpathSync(find(tools, /^mke2fs$/)), join(root, 'sbin/mke2fs'));
  symlinkSync('mke2fs', join(root, 'sbin/mkfs.ext4'));
  for (const name of PACKAGES) copyLibraries(debianPackage(name), join(root, 'lib'));
  symlinkSync('/lib/ld-linux-x86-64.so.2', join(root, LOADER));
  writeFileSync(join(root, 'sbin/init'), init(drivers.load), { mode: 0o755 });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, name), bytes);
  e2fs('mke2fs', '-q', '-t', 'ext4', '-d', root, image, `${megabytes}M`);
  rmSync(root, { recursive: true });
}

/** Shared libraries under the names that programs ask for. */
function copyLibraries(from: string, to: string): void {
  const names = readdirSync(from, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((one) => /\/(lib[^/]*|ld-linux-x86-64)\.so\.\d+$/.test(one))) {
    if (!/gconv|\/audit\//.test(name)) cpSync(realpathSync(join(from, name)), join(to, basename(name)));
  }
}

function find(folder: string, pattern: RegExp): string {
  const name = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find(
    (one) => pattern.test(basename(one)) && /bin$/.test(dirname(one)),
  );
  if (!name) throw new Error(`${folder} has no program like ${pattern}`);
  return join(folder, name);
}
