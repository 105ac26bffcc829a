/** QEMU's own tool for images, as the judge of what we write and the maker of what we read. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackage } from '../../linux/debian.ts';

/** The path of a program of Debian's package qemu-utils, which is fetched where it is not installed. */
export function qemuProgram(name: 'qemu-img' | 'qemu-io'): string {
  const installed = `/usr/bin/${name}`;
  return existsSync(installed) ? installed : join(debianPackage('qemu-utils'), installed);
}

let path: string | null = null;

export interface Result {
  status: number | null;
  text: string;
}

/** Runs qemu-img, from Debian's package where it is not installed. Throws where it cannot be started. */
export function qemuImg(...args: string[]): Result {
  path ??= qemuProgram('qemu-img');
  const { status, stdout, stderr, error } = spawnSync(path, args, { encoding: 'utf8' });
  if (error) throw new Error(`this test needs qemu-img of Debian's package qemu-utils: ${error.message}`);
  return { status, text: stdout + stderr };
}

/** Runs qemu-img, which must succeed. */
export function qemuImgOk(...args: string[]): string {
  const { status, text } = qemuImg(...args);
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')} ended with ${status}: ${text}`);
  return text;
}
