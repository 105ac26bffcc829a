/** Projects of the bundlers: installed in a temporary folder, once for many runs; made, built and served for each test. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packPackage } from '../../../tools/pack.ts';
import { serve } from '../../../tools/static-server.ts';
import type { Mode, Tool } from './tools.ts';

const BUILD_MS = 300_000;

/** Installs `packages` and returns the folder. Throws with npm's words where that cannot be done. */
export function install(name: string, packages: Readonly<Record<string, string>>): string {
  const manifest = JSON.stringify({ private: true, type: 'module', dependencies: packages });
  const folder = join(tmpdir(), `vmlaunch-${name}-${createHash('sha256').update(manifest).digest('hex').slice(0, 12)}`);
  const stamp = join(folder, 'installed');
  if (existsSync(stamp)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), manifest);
  try {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', ...quiet], { cwd: folder, stdio: 'pipe', timeout: 600_000 });
  } catch (error) {
    const why = String((error as { stderr?: Buffer }).stderr ?? error);
    throw new Error(`npm could not install ${Object.keys(packages).join(', ')}, which this test needs: ${why}`);
  }
  writeFileSync(stamp, '');
  return folder;
}

/** Packs the package of `root` and unpacks it as an installed one below `folder`. Returns where it lies. */
export function installPackage(root: string, folder: string): string {
  const { tarball } = packPackage(root, folder);
  execFileSync('tar', ['xzf', tarball], { cwd: folder });
  const installed = join(folder, 'node_modules/vmlaunch');
  mkdirSync(dirname(installed), { recursive: true });
  cpSync(join(folder, 'package'), installed, { recursive: true });
  rmSync(join(folder, 'package'), { recursive: true });
  return installed;
}

/** A folder in which the package and what `tools` holds can be imported. */
export function makeWorkshop(root: string, tools: string): string {
  const workshop = mkdtempSync(join(tools, 'run-'));
  installPackage(root, workshop);
  return workshop;
}

export interface Site {
  origin: string;
  close(): Promise<void>;
}

function boot(imports: string, image: Uint8Array): string {
  const machine = imports.endsWith('/worker') ? 'WorkerMachine as Machine' : 'Machine';
  return `import { ${machine} } from '${imports}';
export async function boot() {
  let text = '';
  try {
    const kernel = Uint8Array.from(atob('${Buffer.from(image).toString('base64')}'), (character) => character.charCodeAt(0));
    const devices = [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }];
    const machine = await Machine.create({ kernel, append: 'from a bundler', devices });
    machine.on('console', (part) => { text += part; });
    const { reason } = await machine.run();
    window.result = { text, reason };
  } catch (error) {
    window.result = { text, reason: String(error) };
  }
}
`;
}

/** Builds the project of `tool` in a folder of `workshop`, and serves it. Throws with the tool's words. */
export async function buildSite(root: string, workshop: string, tool: Tool, mode: Mode): Promise<Site> {
  const folder = join(workshop, `${tool.name.replace(/\W/g, '-')}-${mode}`);
  const files = {
    ...tool.files(mode),
    'boot.js': boot(tool.imports, readFileSync(join(root, 'roms/hello.elf'))),
    'program.mjs': tool.program(mode),
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const env = { ...process.env, NODE_ENV: mode };
  const child = spawn(process.execPath, ['program.mjs'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const listening = await outcomeOf(child);
  if (listening) return { origin: listening, close: async () => endGroup(child) };
  const out = join(folder, 'out');
  if (!existsSync(join(out, 'index.html'))) copyFileSync(join(folder, 'index.html'), join(out, 'index.html'));
  if (tool.needsCopy) copyFileSync(join(workshop, 'node_modules/vmlaunch/dist/core.wasm'), join(out, 'core.wasm'));
  return serve({ '/': out });
}

/** Ends the program and what it started. */
function endGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}

/** Where the program serves, or null where it has ended well. */
function outcomeOf(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let output = '';
    const late = setTimeout(() => {
      endGroup(child);
      reject(new Error(`not built within ${BUILD_MS / 1000} s: ${output}`));
    }, BUILD_MS);
    const hear = (chunk: Buffer): void => {
      output += chunk;
      const [, origin] = /listening on (\S+)/.exec(output) ?? [];
      if (!origin) return;
      clearTimeout(late);
      resolve(origin);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.on('exit', (code) => {
      clearTimeout(late);
      if (code === 0) resolve(null);
      else reject(new Error(output));
    });
  });
}
