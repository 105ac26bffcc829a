// A page by each bundler, from the packed package, in Chromium: built without a warning, and a guest runs in it.
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBuilt } from '../../tools/build.ts';
import { launchChromium } from '../browser/chromium.ts';
import { buildSite, install, makeWorkshop } from './bundlers/projects.ts';
import { type Mode, PACKAGES, TOOLS, type Tool } from './bundlers/tools.ts';

const root = resolve(import.meta.dirname, '../..');
/** Generous: the development server of Next.js builds when it is asked, on hosts with much else to do. */
const RUN_MS = 120_000;

let browser: Browser;
let workshop: string;

beforeAll(async () => {
  if (!isBuilt()) throw new Error('dist/ is older than the sources: run `npm run build`');
  workshop = makeWorkshop(root, install('bundlers', PACKAGES));
  browser = await launchChromium();
}, 900_000);
afterAll(async () => {
  await browser?.close();
  if (workshop) rmSync(workshop, { recursive: true, force: true });
});

async function run(tool: Tool, mode: Mode): Promise<{ text: string; reason: string; errors: string[] }> {
  const site = await buildSite(root, workshop, tool, mode);
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  try {
    await page.goto(tool.serves?.(mode) ? site.origin : `${site.origin}/index.html`, { timeout: RUN_MS });
    await page.waitForFunction('window.result', undefined, { timeout: RUN_MS }).catch(() => {});
    return { ...(await page.evaluate('window.result ?? { text: "", reason: "the page said nothing" }')), errors };
  } finally {
    await page.close();
    await site.close();
  }
}

const CASES = TOOLS.flatMap((tool) => {
  const modes: Mode[] = tool.hasOneMode ? ['production'] : ['development', 'production'];
  return modes.map((mode) => [tool.name, mode, tool] as const);
});

describe('a page', () => {
  it.each(CASES)(
    'by %s, for %s, is built without a warning, and a guest runs in it',
    async (_name, mode, tool) => {
      const { text, reason, errors } = await run(tool, mode);
      expect({ reason, errors }).toEqual({ reason: 'debug-exit', errors: [] });
      expect(text).toMatch(/^Hello from a guest[\s\S]*from a bundler[\s\S]*Bye\.\n$/);
    },
    500_000,
  );
});
