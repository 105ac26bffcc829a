// Debian's kvm.ko and kvm-intel.ko find VT-x to their taste, with EPT and without, and run a guest of ours.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ExitRecord, Machine } from '../../src/index.ts';
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

describe('KVM in the guest', () => {
  it.each([
    ['Skylake-Client', 'Y'],
    ['Penryn', 'N'],
  ])(
    'runs a 16-bit guest on %s (EPT: %s)',
    async (cpu, ept) => {
      const { files, load } = kernelModules(software, ['kvm-intel']);
      const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
${load}
echo "ept $(/bin/busybox cat /sys/module/kvm_intel/parameters/ept)"
/kvm
/bin/busybox poweroff -f
`;
      const failures: ExitRecord[] = [];
      const extras = [
        { path: 'dev', mode: DIRECTORY },
        { path: 'sys', mode: DIRECTORY },
        { path: 'kvm', mode: EXECUTABLE, bytes: program },
        ...files,
      ];
      let core: Machine['core'] | undefined;
      const { output, outcome } = await boot(software, init, 'quiet', extras, {
        options: { cpu, memory: '256M' },
        onCreate: (machine) => {
          core = machine.core;
          machine.on('vmexit', (record) => failures.push(record));
        },
      });
      expect(output).toContain(`ept ${ept}`);
      // The squares that the guest wrote to its port, by the program's own arithmetic.
      const squares = Array.from({ length: 10 }, (_, n) => (n + 1) ** 2).join(' ');
      expect(output).toContain(`KVM API 12\r\n${squares} and the guest halted`);
      expect(outcome).toEqual({ reason: 'powered-off' });
      const counts = new Map(core?.vmx?.counts.map(({ reason, count }) => [reason, count]));
      expect(counts.get('IO_INSTRUCTION')).toBe(10);
      expect(failures).toEqual([]);
    },
    600_000,
  );
});
