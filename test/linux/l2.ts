/** Linux in Linux: what Debian's kernel needs to start itself as the guest of its own KVM, under a monitor of ours. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArchiveFile, DIRECTORY, EXECUTABLE } from './cpio.ts';
import { initramfs, kernelModules, type Software } from './guest.ts';

const INNER = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "inner $(/bin/busybox uname -r), hypervisor flag $(/bin/busybox grep -c hypervisor /proc/cpuinfo)"
/bin/busybox reboot -f
`;

/** What the inner Linux says when it has come to its init. */
export const INNER_SAYS = /inner 6\.\d\S+, hypervisor flag 1/;
export const L2_MEMORY = '320M';

/** Init of the outer Linux and the files it needs: it loads kvm-intel, starts the inner one, and powers off behind it. */
export function linuxInLinux(software: Software): { init: string; files: ArchiveFile[] } {
  const monitor = join(mkdtempSync(join(tmpdir(), 'vmlaunch-')), 'minivmm');
  execFileSync('gcc', ['-O2', '-static', '-o', monitor, join(import.meta.dirname, 'programs/minivmm.c')]);
  const { files, load } = kernelModules(software, ['kvm-intel']);
  const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
${load}
/minivmm /vmlinuz /inner.cpio "console=ttyS0 panic=-1 cryptomgr.notests reboot=k quiet"
/bin/busybox poweroff -f
`;
  return {
    init,
    files: [
      { path: 'dev', mode: DIRECTORY },
      { path: 'minivmm', mode: EXECUTABLE, bytes: readFileSync(monitor) },
      { path: 'vmlinuz', mode: EXECUTABLE, bytes: software.kernel },
      { path: 'inner.cpio', mode: EXECUTABLE, bytes: initramfs(software, INNER) },
      ...files,
    ],
  };
}
