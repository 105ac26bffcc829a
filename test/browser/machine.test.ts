// The built library in headless Chromium, from a server without special headers, against the same library in Node.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Library from '../../src/index.ts';
import { isBuilt } from '../../tools/build.ts';
import { buildWeb } from '../../tools/build-web.ts';
import { type StaticServer, serve } from '../../tools/static-server.ts';
import { isPromised, readExamples } from '../package/examples.ts';
import { launchChromium } from './chromium.ts';

const root = resolve(import.meta.dirname, '../..');

interface Run {
  text: string;
  reason: string;
  instructions: number;
  virtualSeconds: number;
}

const GUEST = {
  memory: '64M',
  append: 'the same words everywhere',
  devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
} as const;

const PAGE = `<!doctype html><title>test</title><script type="module">
  import { Machine } from './node_modules/vmlaunch/dist/index.js';
  window.boot = async (options) => {
    const image = await fetch('./node_modules/vmlaunch/roms/hello.elf');
    const machine = await Machine.create({ ...options, kernel: new Uint8Array(await image.arrayBuffer()) });
    let text = '';
    machine.on('console', (part) => { text += part; });
    const { reason } = await machine.run();
    const { instructions, virtualSeconds } = machine.report;
    return { text, reason, instructions, virtualSeconds };
  };
</script>`;

let browser: Browser;
let server: StaticServer;

beforeAll(async () => {
  if (!isBuilt()) throw new Error('dist/ is older than the sources: run `npm run build`');
  server = await serve(
    { '/node_modules/vmlaunch/': root, '/web/': await buildWeb() },
    { '/test.html': PAGE, '/example.html': readExamples(root).page.code },
  );
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function inNode(): Promise<Run> {
  const { Machine }: typeof Library = await import(pathToFileURL(join(root, 'dist/index.node.js')).href);
  const machine = await Machine.create({ ...GUEST, kernel: readFileSync(join(root, 'roms/hello.elf')) });
  let text = '';
  machine.on('console', (part) => {
    text += part;
  });
  const { reason } = await machine.run();
  const { instructions, virtualSeconds } = machine.report;
  return { text, reason, instructions, virtualSeconds };
}

async function inPage(): Promise<Run> {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}/test.html`);
    await page.waitForFunction('window.boot');
    return await page.evaluate(`window.boot(${JSON.stringify(GUEST)})`);
  } finally {
    await page.close();
  }
}

describe('a guest in a page', () => {
  it('prints, ends and retires exactly what it does in Node', async () => {
    const here = await inNode();
    expect(here.reason).toBe('debug-exit');
    expect(here.text).toContain('the same words everywhere');
    expect(here.instructions).toBeGreaterThan(1_000_000);
    expect(await inPage()).toEqual(here);
  });

  it('needs no cross-origin isolation', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/test.html`);
    expect(await page.evaluate('crossOriginIsolated')).toBe(false);
    await page.close();
  });

  it('is the page of the README, which shows what the README says, without an error', async () => {
    const { page: example } = readExamples(root);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${server.origin}/example.html`);
    await page
      .waitForFunction(`document.querySelector('#console').textContent.includes('Bye.')`, undefined, {
        timeout: 10_000,
      })
      .catch(() => {});
    const output = await page.textContent('#console');
    expect(errors).toEqual([]);
    expect(isPromised(example.prints, output ?? ''), output ?? 'no output').toBe(true);
    await page.close();
  });

  it('is shown by the playground: console, report, and what is wrong with a wish', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/web/index.html`);
    await page.fill('#append', 'from the playground');
    await page.click('#run');
    const vm = 'document.querySelector("vm-launch")';
    await page.waitForFunction(`${vm}.output.includes('Bye.')`, undefined, { timeout: 20_000 });
    expect(await page.evaluate(`${vm}.output`)).toMatch(/^Hello from a guest.*"[^"]*from the playground".*Bye\.\n$/s);
    await page.waitForFunction(
      `/debug-exit .* instructions/.test(${vm}.shadowRoot.querySelector('.figures').textContent)`,
    );
    await page.click('vm-launch [name=report]');
    expect(await page.textContent('vm-launch [data-tab=report]')).toContain('serial0');
    await page.fill('#memory', '12Q');
    await page.click('#run');
    await page.waitForFunction(`${vm}.shadowRoot.querySelector('.problem').textContent.includes('12Q')`, undefined, {
      timeout: 20_000,
    });
    await page.close();
  });

  it('reports a bad option as an exception of the library', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/test.html`);
    await page.waitForFunction('window.boot');
    await expect(page.evaluate(`window.boot({ memory: '12Q' })`)).rejects.toThrow(/12Q/);
    await page.close();
  });
});
