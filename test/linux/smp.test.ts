// Debian's cloud kernel on several processors: their time-stamp counters are one clock to it, and to KVM in it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DIRECTORY, EXECUTABLE } from './cpio.ts';
import { boot, kernelModules, prepareSoftware, type Software } from './guest.ts';

let software: Software;
let program: Uint8Array;

beforeAll(async () => {
  software = await prepareSoftware();
  const path = join(mkdtempSync(join(tmpdir(), 'vmlaunch-')), 'kvm');
  execFileSync('gcc', ['-O2', '-static', '-o', path, join(import.meta.dirname, 'programs/kvm.c')]);
  program = readFileSync(path);
}, 900_000);

describe('Linux on several processors', () => {
  it.each([2, 4])(
    'keeps the TSC as its clocksource without a complaint: %i of them',
    async (vcpus) => {
      const { files, load } = kernelModules(software, ['kvm-intel']);
      const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
${load}
for cpu in $(/bin/busybox seq 0 ${vcpus - 1}); do /bin/busybox taskset -p $((1 << cpu)) $$; done
/kvm
cd /sys/devices/system/clocksource/clocksource0
echo "init: $(/bin/busybox grep -c ^processor /proc/cpuinfo) processors, $(/bin/busybox cat current_clocksource)"
/bin/busybox poweroff -f
`;
      const extras = [
        { path: 'dev', mode: DIRECTORY },
        { path: 'sys', mode: DIRECTORY },
        { path: 'kvm', mode: EXECUTABLE, bytes: program },
        ...files,
      ];
      const options = { vcpus, memory: '256M' };
      const { output, outcome } = await boot(software, init, '', extras, { options });
      expect(output).toContain(`init: ${vcpus} processors, tsc\r\n`);
      expect(output).toContain(`smpboot: Total of ${vcpus} processors activated`);
      expect(output).toContain('100 and the guest halted');
      expect(output).not.toMatch(/unstable|TSC ADJUST|warp|Firmware Bug|WARNING: CPU|BUG:/i);
      expect(outcome).toEqual({ reason: 'powered-off' });
    },
    600_000,
  );
});
