// How a Linux guest ends under the command: by the power button that SIGTERM presses, and by a panic.
import { beforeAll, describe, expect, it } from 'vitest';
import { command } from '../../src/cli/command.ts';
import { type FakeHost, fakeHost } from '../cli/fake-host.ts';
import { initramfs, kernelModules, prepareSoftware, type Software } from './guest.ts';

const START = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /sys /dev
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
`;
const WAIT_FOR_BUTTON = `
event=$(grep -l '^Power Button' /sys/class/input/event*/device/name | head -n 1 | cut -d / -f 5)
exec 3< /dev/input/$event
echo "the guest listens to $(cat /sys/class/input/$event/device/name)"
head -c 24 <&3 > /dev/null
echo "the guest heard the button"
poweroff -f
`;

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

/** Boots through the command; `until` is called with all output whenever there is more. */
async function run(modules: string[], script: string, args: string[], until: (host: FakeHost) => void = () => {}) {
  const { files, load } = kernelModules(software, modules);
  const host = fakeHost({ vmlinuz: software.kernel, rd: initramfs(software, START + load + script, files) });
  const { out } = host;
  host.out = (bytes) => {
    out(bytes);
    until(host);
  };
  const image = ['-kernel', 'vmlinuz', '-initrd', 'rd', '-append', 'console=ttyS0 quiet panic=-1 cryptomgr.notests'];
  const code = await command([...image, '-limit', '4000000000', ...args], host);
  return { code, host };
}

describe('a Linux guest of the command', () => {
  it('turns itself off on SIGTERM, which presses its power button', async () => {
    let isAsked = false;
    const { code, host } = await run(['button', 'evdev'], WAIT_FOR_BUTTON, [], (running) => {
      if (isAsked || !running.output.includes('the guest listens to Power Button')) return;
      isAsked = true;
      setImmediate(() => running.interrupt('SIGTERM'));
    });
    expect(host.output).toMatch(/the guest heard the button\s+.*reboot: Power down/);
    expect([code, host.errors]).toEqual([0, '']);
  }, 600_000);

  it('that panics is reported with its last words and its registers, by pvpanic and without', async () => {
    const crash = 'echo c > /proc/sysrq-trigger\n';
    const report =
      /vmlaunch: the guest panicked: Kernel panic - not syncing: sysrq triggered crash\nits last words:[\s\S]*registers of processor 0:\n {2}rip /;
    const told = await run(['pvpanic-mmio'], crash, ['-device', 'pvpanic']);
    expect(told.host.errors).toMatch(report);
    expect(told.code).toBe(1);
    const reset = await run([], crash, ['-no-reboot']);
    expect(reset.host.errors).toMatch(report);
  }, 600_000);
});
