/**
 * Builds the package: the release core, then src/ -> dist/ as JavaScript with declarations, and the core beside it.
 * Usage: tsx tools/build.ts
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildWasm } from './build-wasm.ts';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');
const cli = join(dist, 'cli/main.js');

const core = await buildWasm(root, 'release');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
const tsc = join(root, 'node_modules/typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
copyFileSync(core, join(dist, 'core.wasm'));
if (existsSync(cli)) chmodSync(cli, 0o755);
