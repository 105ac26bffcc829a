// Debian's full kernel draws its console by its own virtio-gpu driver.
import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import type { Frame } from '../../src/machine/host/screen.ts';
import { boot, kernelModules, prepareSoftware, type Software } from './guest.ts';

const [WIDTH, HEIGHT] = [800, 600];
const PIXEL_BYTES = 4;
const LINE = WIDTH * PIXEL_BYTES;
/** Rows of the console with the background colour of a code, and what Linux's palette has for it. */
const BARS = [
  { row: 5, code: 41, color: [0xaa, 0, 0, 0xff] },
  { row: 20, code: 43, color: [0xaa, 0x55, 0, 0xff] },
  { row: 37, code: 46, color: [0, 0xaa, 0xaa, 0xff] },
];
const CELL_HEIGHT = 16;

const script = (load: string): string => `#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /sys /dev
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
${load}
echo "screen: $(cat /sys/class/drm/card0-Virtual-1/status) $(head -n 1 /sys/class/drm/card0-Virtual-1/modes)"
echo "framebuffer: $(cat /proc/fb) $(cat /sys/class/graphics/fb0/virtual_size)"
printf '\\033[2J\\033[H\\033[?25lwritten to the console' > /dev/tty0
${BARS.map(({ row, code }) => `printf '\\033[${row};1H\\033[${code}m%100s' '' > /dev/tty0`).join('\n')}
sleep 1
echo "bars: drawn"
read -r answer
poweroff -f
`;

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware('linux-image-amd64');
}, 900_000);

it("Linux's console is on the screen", async () => {
  const { files, load } = kernelModules(software, ['virtio_pci', 'virtio_gpu']);
  let frame: Frame | undefined;
  const { outcome, output, log } = await boot(software, script(load), '', files, {
    options: { memory: '256M', waitForInput: true, devices: [{ type: 'virtio-gpu-pci', xres: WIDTH, yres: HEIGHT }] },
    onOutput: (said, machine) => {
      if (frame || !said.includes('bars: drawn')) return;
      frame = machine.screen.frame();
      machine.send('seen\n');
    },
  });
  expect(output).toContain(`screen: connected ${WIDTH}x${HEIGHT}`);
  expect(output).toContain(`framebuffer: 0 virtio_gpudrmfb ${WIDTH},${HEIGHT}`);
  expect([outcome.reason, log]).toEqual(['powered-off', []]);
  const { pixels, ...picture } = frame!;
  mkdirSync('test-results', { recursive: true });
  writeFileSync('test-results/linux-gpu.ppm', ppm(frame!));
  expect(picture).toMatchObject({ width: WIDTH, height: HEIGHT });
  for (const { row, color } of BARS) {
    const [first, last] = [(row - 1) * CELL_HEIGHT * LINE, row * CELL_HEIGHT * LINE - PIXEL_BYTES];
    for (const at of [first, last]) expect([...pixels.subarray(at, at + PIXEL_BYTES)]).toEqual(color);
  }
  const letters = pixels.subarray(0, CELL_HEIGHT * LINE);
  expect(letters.filter((byte, at) => at % PIXEL_BYTES === 0 && byte === 0xaa).length).toBeGreaterThan(100);
}, 900_000);

/** As a portable pixmap, to be looked at. */
function ppm({ width, height, pixels }: Frame): Buffer {
  const colors = Uint8Array.from(pixels.filter((_, at) => at % PIXEL_BYTES !== 3));
  return Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), colors]);
}
