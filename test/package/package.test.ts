// The package as its users get it: packed, unpacked into an empty project, imported from Node, type-checked, run.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBuilt } from '../../tools/build.ts';
import { installPackage } from './bundlers/projects.ts';
import { isPromised, readExamples, readPicture, withoutNumbers } from './examples.ts';

const root = resolve(import.meta.dirname, '../..');
let project: string;
let installed: string;

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
}

beforeAll(() => {
  if (!isBuilt()) throw new Error('dist/ is older than the sources: run `npm run build`');
  project = mkdtempSync(join(tmpdir(), 'vmlaunch-package-'));
  installed = installPackage(root, project);
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the package', () => {
  it('holds the library, its declarations, the core, the command and the texts, and no source', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    for (const name of [
      'README.md',
      'LICENSE',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/core.wasm',
      'dist/cli/main.js',
    ]) {
      expect(files).toContain(name);
    }
    expect(files.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))).toEqual([]);
  });

  it('names in `exports`, `bin` and `files` only what exists', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    const targets = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry as Record<string, string>),
    );
    const missing = [...targets, ...Object.values<string>(manifest.bin)].filter(
      (path) => !existsSync(join(installed, path)),
    );
    expect(missing).toEqual([]);
  });

  it('has nothing that npm would run or install for those who install it', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const name of ['scripts', 'dependencies', 'devDependencies']) expect(manifest).not.toHaveProperty(name);
  });

  it('lists types first in every conditional export', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    const conditional = Object.values(manifest.exports).filter((entry) => typeof entry !== 'string');
    expect(conditional.length).toBeGreaterThan(0);
    for (const entry of conditional) expect(Object.keys(entry as object)[0]).toBe('types');
  });

  it('runs the Node example of the README and prints what the README says', () => {
    const { node: example } = readExamples(root);
    writeFileSync(join(project, 'example.js'), example.code);
    const output = node('example.js');
    expect(isPromised(example.prints, output), output).toBe(true);
  });

  it('has types with which the Node example of the README compiles, strictly', () => {
    const { node: example } = readExamples(root);
    writeFileSync(join(project, 'example.ts'), example.code);
    const compilerOptions = { strict: true, module: 'nodenext', target: 'es2022', noEmit: true, types: ['node'] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['example.ts'] }));
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types']) {
      symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
    }
    node(join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json');
  });

  it.each([
    [
      'the DOM',
      { lib: ['es2022', 'dom', 'esnext.disposable'] },
      ['', '/inline', '/worker', '/worker-thread', '/element'],
    ],
    ['neither the DOM nor Node', { lib: ['es2022'] }, ['', '/inline', '/worker', '/worker-thread']],
    ['Node', { lib: ['es2022'], types: ['node'] }, ['', '/inline', '/worker', '/node']],
  ])('has types that need no more than what is there, with %s', (_what, options, names) => {
    const imports = names.map((name, n) => `import * as name${n} from 'vmlaunch${name}';\nvoid name${n};\n`);
    writeFileSync(join(project, 'types.ts'), imports.join(''));
    const compilerOptions = {
      strict: true,
      skipLibCheck: false,
      module: 'nodenext',
      noEmit: true,
      types: [],
      ...options,
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['types.ts'] }));
    node(join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json');
  });

  it('says its version without the parts that make a machine', () => {
    const loaded = new Set<string>();
    const load = (path: string): void => {
      if (loaded.has(path)) return;
      loaded.add(path);
      const imports = readFileSync(path, 'utf8').matchAll(/\b(?:import|from)\s*"(\.[^"]+)"/g);
      for (const [, target] of imports) load(join(path, '..', target));
    };
    load(join(installed, 'dist/cli/main.js'));
    const bytes = [...loaded].reduce((sum, path) => sum + readFileSync(path).length, 0);
    expect(bytes).toBeLessThan(10_000);
    expect(node(join(installed, 'dist/cli/main.js'), '--version')).toMatch(/^vmlaunch \d+\.\d+\.\d+\n$/);
  });

  it('boots its own guest when its command is called without a word, as the README shows', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(installed, 'dist/cli/main.js')], {
      cwd: project,
      encoding: 'utf8',
    });
    const output = stdout + stderr;
    expect(status).toBe(0);
    expect(isPromised(withoutNumbers(readPicture(root)), withoutNumbers(output)), output).toBe(true);
  });
});
