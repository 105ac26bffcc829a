// Linux in Linux: Debian's kernel as the guest of Debian's KVM in our processor, under a monitor of some 150 lines.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { statTable } from '../../src/cli/vmexits.ts';
import type { Machine } from '../../src/index.ts';
import { DIRECTORY, EXECUTABLE } from './cpio.ts';
import { boot, initramfs, kernelModules, prepareSoftware } from './guest.ts';

const INNER = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "inner $(/bin/busybox uname -r), hypervisor flag $(/bin/busybox grep -c hypervisor /proc/cpuinfo)"
/bin/busybox reboot -f
`;

it.each(['Skylake-Client', 'Penryn'])(
  'an L2 guest on %s boots to its init',
  async (cpu) => {
    const software = await prepareSoftware();
    const path = join(mkdtempSync(join(tmpdir(), 'vmlaunch-')), 'minivmm');
    execFileSync('gcc', ['-O2', '-static', '-o', path, join(import.meta.dirname, 'programs/minivmm.c')]);
    const { files, load } = kernelModules(software, ['kvm-intel']);
    const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
${load}
/minivmm /vmlinuz /inner.cpio "console=ttyS0 panic=-1 cryptomgr.notests reboot=k quiet"
/bin/busybox poweroff -f
`;
    const extras = [
      { path: 'dev', mode: DIRECTORY },
      { path: 'minivmm', mode: EXECUTABLE, bytes: readFileSync(path) },
      { path: 'vmlinuz', mode: EXECUTABLE, bytes: software.kernel },
      { path: 'inner.cpio', mode: EXECUTABLE, bytes: initramfs(software, INNER) },
      ...files,
    ];
    let core: Machine['core'] | undefined;
    const { output, outcome } = await boot(software, init, 'quiet', extras, {
      options: { cpu, memory: '320M' },
      instructions: 30e9,
      onCreate: (machine) => {
        core = machine.core;
      },
    });
    console.log(statTable(core?.vmx?.counts ?? [], 0, 1));
    expect(output).toMatch(/inner 6\.\d\S+, hypervisor flag 1/);
    expect(outcome).toEqual({ reason: 'powered-off' });
  },
  3_000_000,
);
