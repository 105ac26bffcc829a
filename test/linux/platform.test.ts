// The devices of the board under Debian's kernel: keyboard, screen, second serial port, HPET.
import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { initramfs, prepareSoftware, type Software } from './guest.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mkdir -p /dev /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
exec >/dev/ttyS1
/bin/busybox dmesg | /bin/busybox grep -o 'i8042: PNP: PS/2 Controller .*'
/bin/busybox grep -h -E 'Name=.*keyboard' /proc/bus/input/devices
/bin/busybox cat /sys/devices/system/clocksource/clocksource0/current_clocksource
( /bin/busybox sleep 1; echo "ready" ) &
read line </dev/tty1
echo "typed: $line"
/bin/busybox grep -E ' (timer|i8042)$' /proc/interrupts
/bin/busybox poweroff -f
`;
const TYPED = 'Hello, "World" | #42 {~}';

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

it("Linux shows its console on the screen, hears what is typed, and lives on the HPET's tick", async () => {
  const machine = await Machine.create({
    memory: '128M',
    source: software.source,
    kernel: software.kernel,
    append: 'console=tty0 cryptomgr.notests clocksource=hpet nolapic_timer',
    modules: [{ bytes: initramfs(software, INIT), commandLine: '' }],
    serialPorts: 2,
  });
  let output = '';
  machine.on('console', (text, { source }) => {
    expect(source).toBe('serial1');
    const wasReady = output.includes('ready');
    output += text;
    if (!wasReady && output.includes('ready')) {
      machine.mouse.move(1, 1);
      machine.keyboard.type(`${TYPED}\n`);
    }
  });
  expect((await machine.run({ instructions: 4e9 })).reason).toBe('powered-off');
  const rows = machine.screen.text();
  mkdirSync('test-results', { recursive: true });
  writeFileSync('test-results/linux-screen.txt', rows.join('\n'));
  expect(output).toContain('i8042: PNP: PS/2 Controller [PNP0303:KBD,PNP0f13:MOU] at 0x60,0x64 irq 1,12');
  expect(output).toContain('N: Name="AT Translated Set 2 keyboard"\r\nhpet\r\n');
  expect(output).toContain(`typed: ${TYPED}\r\n`);
  expect(Number(/ 0: +(\d+) .*timer/.exec(output)?.[1])).toBeGreaterThan(50);
  expect(Number(/ 1: +(\d+) .*i8042/.exec(output)?.[1])).toBeGreaterThan(TYPED.length);
  expect(rows).toHaveLength(25);
  expect(rows).toContain(TYPED);
  expect(rows.some((row) => row.endsWith('reboot: Power down'))).toBe(true);
}, 600_000);
