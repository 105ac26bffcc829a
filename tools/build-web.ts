/**
 * Builds the playground into build/web, a folder that any static server can serve, and serves it with --serve.
 * Usage: tsx tools/build-web.ts [--serve [PORT]]
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { buildWasm } from './build-wasm.ts';
import { packageSources } from './package-sources.ts';
import { serve } from './static-server.ts';

const ENTRIES = ['web/playground.ts', 'src/element/vm-launch.ts', 'src/entries/worker-thread.ts'];
const DEFAULT_PORT = 8086;
const root = resolve(import.meta.dirname, '..');

/** Builds the page and returns its folder. */
export async function buildWeb(): Promise<string> {
  const out = join(root, 'build/web');
  mkdirSync(out, { recursive: true });
  const core = await buildWasm(root, 'release');
  await build({
    entryPoints: ENTRIES.map((path) => join(root, path)),
    entryNames: '[name]',
    outdir: out,
    loader: { '.css': 'text' },
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    plugins: [packageSources(root, core)],
    minify: true,
    logLevel: 'warning',
  });
  copyFileSync(join(root, 'web/index.html'), join(out, 'index.html'));
  copyFileSync(join(root, 'roms/hello.elf'), join(out, 'hello.elf'));
  copyFileSync(core, join(out, 'core.wasm'));
  return out;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = await buildWeb();
  const at = process.argv.indexOf('--serve');
  if (at >= 0) {
    const port = Number(process.argv[at + 1] ?? DEFAULT_PORT);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new Error(`port ${process.argv[at + 1]} is not 0..65535`);
    const server = await serve({ '/': folder }, {}, port);
    console.log(`serving ${folder} at ${server.origin}/index.html`);
  }
}
