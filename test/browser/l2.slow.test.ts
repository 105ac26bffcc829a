// Linux in Linux in a page: Debian's kernel in a Worker loads kvm-intel and starts itself as its guest.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { statTables } from '../../src/cli/vmexits.ts';
import type { Report } from '../../src/index.ts';
import { buildWeb } from '../../tools/build-web.ts';
import { serve } from '../../tools/static-server.ts';
import { initramfs, prepareSoftware } from '../linux/guest.ts';
import { INNER_SAYS, L2_MEMORY, linuxInLinux } from '../linux/l2.ts';
import { launchChromium } from './chromium.ts';

const ARTEFACTS = resolve(import.meta.dirname, '../../test-results');
const RUN_MS = 2_400_000;

const PAGE = `<!doctype html><title>Linux in Linux in a page</title>
<body style="background: #07090c; margin: 2rem">
<vm-launch kernel="/linux/vmlinuz" initrd="/linux/initrd" memory="${L2_MEMORY}" cpu="Skylake-Client" clock="vm"
  append="console=ttyS0 panic=-1 cryptomgr.notests quiet" autostart></vm-launch>
<script type="module" src="/web/vm-launch.js"></script>`;

/** What <vm-launch> shows to scripts. */
interface Element {
  output: string;
  report: Report;
  shadowRoot: ShadowRoot;
}

it('an L2 guest in a page boots to its init, and the page shows the exits', async () => {
  const files = mkdtempSync(join(tmpdir(), 'vmlaunch-'));
  const software = await prepareSoftware();
  const guest = linuxInLinux(software);
  writeFileSync(join(files, 'vmlinuz'), software.kernel);
  writeFileSync(join(files, 'initrd'), initramfs(software, guest.init, guest.files));
  const server = await serve({ '/linux/': files, '/web/': await buildWeb() }, { '/l2.html': PAGE });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 900, height: 620 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    const start = Date.now();
    await page.goto(`${server.origin}/l2.html`);
    await page.waitForFunction(
      () => (document.querySelector('vm-launch') as unknown as Element | null)?.output.includes('hypervisor flag'),
      undefined,
      { timeout: RUN_MS, polling: 1000 },
    );
    console.log(`the inner Linux spoke after ${((Date.now() - start) / 1000).toFixed(0)} s`);
    mkdirSync(ARTEFACTS, { recursive: true });
    await page.screenshot({ path: join(ARTEFACTS, 'linux-in-linux-in-a-page.png') });
    const figures = (): string =>
      (document.querySelector('vm-launch') as unknown as Element).shadowRoot.querySelector('.figures')?.textContent ??
      '';
    await page.waitForFunction(`(${figures})().startsWith('powered-off')`, undefined, { timeout: 300_000 });
    await page.click('vm-launch [name=report]');
    await page.screenshot({ path: join(ARTEFACTS, 'linux-in-linux-exits.png') });
    const { output, exits } = await page.evaluate(() => {
      const { output, report } = document.querySelector('vm-launch') as unknown as Element;
      return { output, exits: report.exits };
    });
    console.log(`${await page.evaluate(figures)}\n${statTables(exits, 1)}`);
    expect(output).toMatch(INNER_SAYS);
    expect(exits.filter(({ level }) => level === 1).map(({ reason }) => reason)).toContain('EPT_VIOLATION');
    expect(await page.textContent('vm-launch [data-tab=report]')).toContain('EPT_VIOLATION');
    expect(errors).toEqual([]);
  } finally {
    await browser.close();
    await server.close();
    rmSync(files, { recursive: true, force: true });
  }
}, 3_000_000);
