/** Boots Debian's cloud kernel with an initramfs of busybox and whatever a test adds. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/options.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { type ArchiveFile, cpio, DIRECTORY, EXECUTABLE } from './cpio.ts';
import { debianPackage } from './debian.ts';

const MOST_INSTRUCTIONS = 8e9;

/** Kernel, busybox and the release core: what every boot needs. */
export interface Software {
  kernel: Uint8Array;
  busybox: Uint8Array;
  source: Uint8Array<ArrayBuffer>;
  /** The folder of the kernel's modules. */
  modules: string;
}

/** `kernel` is the meta-package of Debian's that names the kernel. */
export async function prepareSoftware(kernel = 'linux-image-cloud-amd64'): Promise<Software> {
  const root = debianPackage(kernel, true);
  const boot = join(root, 'boot');
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz')) ?? '';
  return {
    kernel: readFileSync(join(boot, image)),
    busybox: readFileSync(join(debianPackage('busybox-static'), 'bin/busybox')),
    source: new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release'))),
    modules: join(root, 'lib/modules'),
  };
}

/** Kernel modules with all that they depend on, as files of the initramfs, and the commands that load them in order. */
export function kernelModules(software: Software, names: readonly string[]): { files: ArchiveFile[]; load: string } {
  const all = readdirSync(software.modules, { recursive: true, encoding: 'utf8' });
  const files = new Map<string, ArchiveFile>();
  const add = (name: string): void => {
    const file = `${name}.ko`;
    if (files.has(file)) return;
    const path = all.find((one) => basename(one).replaceAll('-', '_') === file.replaceAll('-', '_'));
    if (!path) throw new Error(`the kernel has no module ${name}`);
    const bytes = readFileSync(join(software.modules, path));
    const depends = /depends=([^\0]*)\0/.exec(bytes.toString('latin1'))?.[1] ?? '';
    for (const other of depends.split(',').filter(Boolean)) add(other);
    files.set(file, { path: `lib/${file}`, mode: 0o100644, bytes });
  };
  for (const name of names) add(name);
  return {
    files: [{ path: 'lib', mode: DIRECTORY }, ...files.values()],
    load: [...files.keys()].map((file) => `/bin/busybox insmod /lib/${file}\n`).join(''),
  };
}

/** An initial RAM disk with busybox, `init` as its first process, and what a test adds. */
export function initramfs(software: Pick<Software, 'busybox'>, init: string, files: readonly ArchiveFile[] = []) {
  return cpio([
    { path: 'bin', mode: DIRECTORY },
    { path: 'proc', mode: DIRECTORY },
    { path: 'bin/busybox', mode: EXECUTABLE, bytes: software.busybox },
    { path: 'init', mode: EXECUTABLE, bytes: new TextEncoder().encode(init) },
    ...files,
  ]);
}

export interface BootExtras {
  /** Ends the run after so many. */
  instructions?: number;
  options?: Partial<MachineOptions>;
  /** Called before the first instruction. */
  onCreate?: (machine: Machine) => void;
  /** Called with everything that the guest said so far, whenever it says something. */
  onOutput?: (output: string, machine: Machine) => void;
}

/** Boots until the guest ends. `init` is the shell script that runs as the first process. */
export async function boot(
  software: Software,
  init: string,
  append = '',
  files: readonly ArchiveFile[] = [],
  { options, onCreate, onOutput, instructions = MOST_INSTRUCTIONS }: BootExtras = {},
) {
  const initrd = initramfs(software, init, files);
  const machine = await Machine.create({
    memory: '128M',
    cpu: 'max',
    source: software.source,
    kernel: software.kernel,
    append: `console=ttyS0 panic=-1 cryptomgr.notests ${append}`,
    modules: [{ bytes: initrd, commandLine: '' }],
    ...options,
  });
  onCreate?.(machine);
  let output = '';
  machine.on('console', (text) => {
    output += text;
    onOutput?.(output, machine);
  });
  const log: string[] = [];
  machine.on('log', (line) => log.push(line));
  const outcome = await machine.run({ instructions });
  return { outcome, output, log, retired: machine.core.retired };
}
