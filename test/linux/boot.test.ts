// Debian's cloud kernel, untouched, boots to a shell script of busybox and turns the machine off.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { cpio, DIRECTORY, EXECUTABLE } from './cpio.ts';
import { debianPackage } from './debian.ts';

const MOST_INSTRUCTIONS = 4e9;
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "init: $(/bin/busybox uname -sm), $(/bin/busybox grep -c ^processor /proc/cpuinfo) processor"
echo "init: sum $(/bin/busybox seq 1000 | /bin/busybox awk '{ sum += $1 * 1.5 } END { print sum }')"
/bin/busybox poweroff -f
`;

let kernel: Uint8Array;
let initrd: Uint8Array;
let source: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  const boot = join(debianPackage('linux-image-cloud-amd64', true), 'boot');
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz')) ?? '';
  kernel = readFileSync(join(boot, image));
  const busybox = readFileSync(join(debianPackage('busybox-static'), 'bin/busybox'));
  initrd = cpio([
    { path: 'bin', mode: DIRECTORY },
    { path: 'proc', mode: DIRECTORY },
    { path: 'bin/busybox', mode: EXECUTABLE, bytes: busybox },
    { path: 'init', mode: EXECUTABLE, bytes: new TextEncoder().encode(INIT) },
  ]);
  source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
}, 900_000);

async function boot(append: string) {
  const machine = await Machine.create({
    memory: '128M',
    cpu: 'max',
    source,
    kernel,
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

describe("Debian's cloud kernel", () => {
  it('boots with ACPI and APIC, runs init and powers off, twice in the same way to the bit', async () => {
    const first = await boot('');
    expect(first.outcome.reason).toBe('powered-off');
    expect(first.output).toContain('ACPI: Using ACPI (MADT) for SMP configuration information');
    expect(first.output).toContain('Run /init as init process');
    expect(first.output).toContain('init: Linux x86_64, 1 processor');
    expect(first.output).toContain('init: sum 750750');
    expect(first.output).toContain('reboot: Power down');
    expect(first.output).not.toMatch(/WARNING: CPU|BUG:|Unable to calibrate/);
    const second = await boot('');
    expect(second.output).toBe(first.output);
    expect(second.retired).toBe(first.retired);
  }, 600_000);

  it('boots with the PIC and without ACPI', async () => {
    const { output } = await boot('acpi=off noapic nolapic');
    expect(output).toContain('APIC: Keep in PIC mode(8259)');
    expect(output).toContain('init: sum 750750');
  }, 600_000);
});
