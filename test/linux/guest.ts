/** Boots Debian's cloud kernel with an initramfs of busybox and whatever a test adds. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Machine } from '../../src/machine/machine.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { type ArchiveFile, cpio, DIRECTORY, EXECUTABLE } from './cpio.ts';
import { debianPackage } from './debian.ts';

const MOST_INSTRUCTIONS = 4e9;

/** Kernel, busybox and the release core: what every boot needs. */
export interface Software {
  kernel: Uint8Array;
  busybox: Uint8Array;
  source: Uint8Array<ArrayBuffer>;
}

export async function prepareSoftware(): Promise<Software> {
  const boot = join(debianPackage('linux-image-cloud-amd64', true), 'boot');
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz')) ?? '';
  return {
    kernel: readFileSync(join(boot, image)),
    busybox: readFileSync(join(debianPackage('busybox-static'), 'bin/busybox')),
    source: new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release'))),
  };
}

/** Boots until the guest ends. `init` is the shell script that runs as the first process. */
export async function boot(software: Software, init: string, append = '', files: readonly ArchiveFile[] = []) {
  const initrd = cpio([
    { path: 'bin', mode: DIRECTORY },
    { path: 'proc', mode: DIRECTORY },
    { path: 'bin/busybox', mode: EXECUTABLE, bytes: software.busybox },
    { path: 'init', mode: EXECUTABLE, bytes: new TextEncoder().encode(init) },
    ...files,
  ]);
  const machine = await Machine.create({
    memory: '128M',
    cpu: 'max',
    source: software.source,
    kernel: software.kernel,
    append: `console=ttyS0 panic=-1 cryptomgr.notests ${append}`,
    modules: [{ bytes: initrd, commandLine: '' }],
  });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  const outcome = await machine.run({ instructions: MOST_INSTRUCTIONS });
  return { outcome, output, retired: machine.core.retired };
}
