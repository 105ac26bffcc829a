// Debian's cloud kernel, untouched, boots to a shell script of busybox and turns the machine off.
import { beforeAll, describe, expect, it } from 'vitest';
import { boot, prepareSoftware, type Software } from './guest.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "init: $(/bin/busybox uname -sm), $(/bin/busybox grep -c ^processor /proc/cpuinfo) processor"
echo "init: sum $(/bin/busybox seq 1000 | /bin/busybox awk '{ sum += $1 * 1.5 } END { print sum }')"
/bin/busybox poweroff -f
`;

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

describe("Debian's cloud kernel", () => {
  it('boots with ACPI and APIC, runs init and powers off, twice in the same way to the bit', async () => {
    const first = await boot(software, INIT);
    expect(first.outcome.reason).toBe('powered-off');
    expect(first.output).toContain('ACPI: Using ACPI (MADT) for SMP configuration information');
    expect(first.output).toContain('Run /init as init process');
    expect(first.output).toContain('init: Linux x86_64, 1 processor');
    expect(first.output).toContain('init: sum 750750');
    expect(first.output).toContain('reboot: Power down');
    expect(first.output).not.toMatch(/WARNING: CPU|BUG:|Unable to calibrate/);
    const second = await boot(software, INIT);
    expect(second.output).toBe(first.output);
    expect(second.retired).toBe(first.retired);
  }, 600_000);

  it('boots with the PIC and without ACPI', async () => {
    const { output } = await boot(software, INIT, 'acpi=off noapic nolapic');
    expect(output).toContain('APIC: Keep in PIC mode(8259)');
    expect(output).toContain('init: sum 750750');
  }, 600_000);
});
