// Debian's kernel in a static page: <vm-launch> boots it in a Worker, and its shell is used through xterm.js.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildWeb } from '../../tools/build-web.ts';
import { type StaticServer, serve } from '../../tools/static-server.ts';
import { initramfs, prepareSoftware } from '../linux/guest.ts';
import { launchChromium } from './chromium.ts';

const ARTEFACTS = resolve(import.meta.dirname, '../../test-results');
const BOOT_MS = 240_000;

const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /dev /sys /sbin /usr/bin /usr/sbin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s
echo "welcome to $(uname -sr) in a page"
exec setsid cttyhack sh
`;

const PAGE = `<!doctype html><title>Linux in a page</title>
<body style="background: #07090c; margin: 2rem">
<vm-launch kernel="/linux/vmlinuz" initrd="/linux/initrd" memory="128M"
  append="console=tty0 console=ttyS0 quiet cryptomgr.notests" autostart></vm-launch>
<script type="module" src="/web/vm-launch.js"></script>`;

const files = mkdtempSync(join(tmpdir(), 'vmlaunch-'));
let browser: Browser;
let server: StaticServer;
let page: Page;

const says = (text: string, timeout = 30_000) =>
  page.waitForFunction(
    (wanted) => (document.querySelector('vm-launch') as unknown as { output: string }).output.includes(wanted),
    text,
    { timeout },
  );

beforeAll(async () => {
  const software = await prepareSoftware();
  writeFileSync(join(files, 'vmlinuz'), software.kernel);
  writeFileSync(join(files, 'initrd'), initramfs(software, INIT));
  server = await serve({ '/linux/': files, '/web/': await buildWeb() }, { '/linux.html': PAGE });
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 900, height: 620 } });
}, 900_000);
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(files, { recursive: true, force: true });
});

it('Linux boots to a shell that answers what is typed, shows its screen, and powers off', async () => {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${server.origin}/linux.html`);
  await says('in a page', BOOT_MS);
  await says('# ');
  await page.click('vm-launch .xterm');
  await page.keyboard.type('echo the answer is $((6 * 7)); cat /proc/cpuinfo | grep "model name"; free\n');
  await says('the answer is 42');
  await says('Swap:');
  mkdirSync(ARTEFACTS, { recursive: true });
  await page.screenshot({ path: join(ARTEFACTS, 'linux-in-a-page.png') });

  await page.click('vm-launch [name=console]');
  await page.keyboard.type('clear >/dev/tty0; echo seen on the screen >/dev/tty0; echo written\n');
  await says('\nwritten');
  await page.click('vm-launch [name=screen]');
  await page.waitForFunction(() => {
    const canvas = document.querySelector('vm-launch')?.shadowRoot?.querySelector('canvas');
    const pixels = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, 16).data ?? [];
    return Array.from(pixels).filter((value, n) => n % 4 !== 3 && value > 100).length > 100;
  });
  await page.screenshot({ path: join(ARTEFACTS, 'linux-screen-in-a-page.png') });

  await page.click('vm-launch [name=console]');
  await page.keyboard.type('poweroff -f\n');
  await page.waitForFunction(
    () =>
      document
        .querySelector('vm-launch')
        ?.shadowRoot?.querySelector('.figures')
        ?.textContent?.startsWith('powered-off'),
    undefined,
    { timeout: 60_000 },
  );
  expect(errors).toEqual([]);
}, 600_000);
