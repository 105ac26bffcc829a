/**
 * The bundlers that the package is tried with, and for each a project and the program that builds it: what the tool warns
 * about fails the program, and the page is left in `out`, or served.
 */

/** Pinned, so that a test fails for a reason of ours. */
export const PACKAGES: Record<string, string> = {
  '@rollup/plugin-node-resolve': '16.0.3',
  '@web/rollup-plugin-import-meta-assets': '2.3.3',
  esbuild: '0.28.2',
  next: '16.4.6',
  parcel: '2.16.4',
  react: '19.3.1',
  'react-dom': '19.3.1',
  rollup: '4.68.8',
  vite: '8.4.0',
  webpack: '5.113.0',
};

export type Mode = 'development' | 'production';

export interface Tool {
  name: string;
  /** What boot.js imports the library from. */
  imports: string;
  /** What the project has beside boot.js, which exports `boot`. */
  files: (mode: Mode) => Record<string, string>;
  /** The text of an ECMAScript module that builds, or that serves and prints `listening on ORIGIN`. */
  program: (mode: Mode) => string;
  /** It copies no assets: core.wasm is put beside its output by hand. */
  needsCopy?: boolean;
  serves?: (mode: Mode) => boolean;
  /** Where it builds the same for both. */
  hasOneMode?: true;
}

const HTML = '<!doctype html><title>test</title><script type="module" src="./main.js"></script>';

const WEBPACK = (mode: Mode): string => `
  import webpack from 'webpack';
  const config = { mode: '${mode}', entry: './main.js', devtool: false, output: { path: process.cwd() + '/out', filename: 'main.js' },
    // Of a whole PC 244 KiB cannot be asked.
    performance: { hints: false } };
  webpack(config, (error, stats) => {
    if (error) throw error;
    if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
  });`;

const ROLLUP = (_mode: Mode, plugins: string): string => `
  import { rollup } from 'rollup';
  import { nodeResolve } from '@rollup/plugin-node-resolve';
  import { importMetaAssets } from '@web/rollup-plugin-import-meta-assets';
  const onwarn = ({ message }) => { throw new Error(message); };
  const bundle = await rollup({ input: 'main.js', plugins: [nodeResolve(), ${plugins}], onwarn });
  await bundle.write({ dir: 'out', format: 'es' });`;

const ESBUILD = (mode: Mode): string => `
  import { build } from 'esbuild';
  const { warnings } = await build({ entryPoints: ['main.js'], outdir: 'out', bundle: true, format: 'esm', minify: ${mode === 'production'} });
  if (warnings.length > 0) throw new Error(JSON.stringify(warnings));`;

const VITE = (mode: Mode): string => `
  import { build, createLogger, createServer } from 'vite';
  const customLogger = createLogger('warn');
  customLogger.warn = customLogger.error = customLogger.warnOnce = (text) => { throw new Error(text); };
  ${
    mode === 'production'
      ? "await build({ base: './', customLogger, worker: { format: 'es' }, build: { outDir: 'out', chunkSizeWarningLimit: 2000 } });"
      : `const server = await createServer({ customLogger, server: { port: 0, host: '127.0.0.1' } });
         await server.listen();
         console.log('listening on http://127.0.0.1:' + server.httpServer.address().port);`
  }`;

const PARCEL = (mode: Mode): string => `
  import { Parcel } from '@parcel/core';
  const bundler = new Parcel({ entries: 'index.html', defaultConfig: '@parcel/config-default', mode: '${mode}', cacheDir: 'cache',
    defaultTargetOptions: { distDir: 'out', publicUrl: './' }, shouldDisableCache: true });
  const { bundleGraph, diagnostics } = await bundler.run();`;

const NEXT = (mode: Mode): string => `
  import { spawn } from 'node:child_process';
  import { createRequire } from 'node:module';
  const bin = createRequire(import.meta.url).resolve('next/dist/bin/next');
  const child = spawn(process.execPath, [bin, ...${JSON.stringify(mode === 'production' ? ['build'] : ['dev', '--port', '0', '--hostname', '127.0.0.1'])}],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' } });
  let output = '';
  const hear = (chunk) => {
    output += chunk;
    const [, port] = /http:\\/\\/127\\.0\\.0\\.1:(\\d+)/.exec(output) ?? [];
    if (port) console.log('listening on http://127.0.0.1:' + port);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  child.on('exit', (code) => {
    if (code || /warn/i.test(output)) { console.error(output); process.exitCode = 1; }
  });`;

const NEXT_FILES = (mode: Mode): Record<string, string> => ({
  'package.json': '{ "private": true, "type": "module" }',
  'next.config.js': `export default {
    ${mode === 'production' ? "output: 'export', distDir: 'out'," : ''}
    turbopack: { root: process.cwd().split('/').slice(0, -2).join('/') },
  };`,
  'app/layout.js':
    'export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }',
  'app/page.js': `'use client';
    import { useEffect } from 'react';
    import { boot } from '../boot.js';
    export default function Page() {
      useEffect(() => { void boot(); }, []);
      return <p>A machine runs here.</p>;
    }`,
});

const PAGE = (): Record<string, string> => ({
  'index.html': HTML,
  'main.js': "import { boot } from './boot.js'; boot();",
  'package.json': '{ "private": true, "type": "module" }',
});

export const TOOLS: readonly Tool[] = [
  { name: 'webpack with a Worker', imports: 'vmlaunch/worker', files: PAGE, program: WEBPACK, hasOneMode: true },
  { name: 'Vite with a Worker', imports: 'vmlaunch/worker', files: PAGE, program: VITE, hasOneMode: true },
  { name: 'webpack', imports: 'vmlaunch', files: PAGE, program: WEBPACK },
  {
    name: 'rollup',
    hasOneMode: true,
    imports: 'vmlaunch',
    files: PAGE,
    program: (mode) => ROLLUP(mode, 'importMetaAssets()'),
  },
  {
    name: 'rollup inline',
    hasOneMode: true,
    imports: 'vmlaunch/inline',
    files: PAGE,
    program: (mode) => ROLLUP(mode, ''),
  },
  { name: 'esbuild', imports: 'vmlaunch', files: PAGE, program: ESBUILD, needsCopy: true },
  { name: 'esbuild inline', imports: 'vmlaunch/inline', files: PAGE, program: ESBUILD },
  { name: 'Vite', imports: 'vmlaunch', files: PAGE, program: VITE, serves: (mode) => mode === 'development' },
  { name: 'Parcel', imports: 'vmlaunch', files: PAGE, program: PARCEL },
  {
    name: 'Next.js',
    imports: 'vmlaunch',
    files: NEXT_FILES,
    program: NEXT,
    serves: (mode) => mode === 'development',
  },
];
