// The layers of docs/architecture.md, read from the imports; and the rules that no other tool checks.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

interface Layer {
  name: string;
  /** Paths under the tree's root: folders end in a slash. */
  holds: string[];
  /** Other layers of the tree that it may import. Nothing else, and never the one above. */
  below: string[];
}

const SRC: Layer[] = [
  { name: 'saved', holds: ['saved.ts', 'doors.ts'], below: [] },
  { name: 'isa', holds: ['isa/'], below: [] },
  { name: 'checks', holds: ['checks.ts'], below: [] },
  {
    name: 'core',
    holds: ['core/', 'cpu-models/'],
    below: ['isa', 'saved'],
  },
  { name: 'jit', holds: ['jit/'], below: ['core', 'isa'] },
  { name: 'kvm', holds: ['kvm/'], below: ['jit', 'core', 'isa'] },
  { name: 'net', holds: ['net/'], below: ['checks', 'saved'] },
  { name: 'devices', holds: ['devices/'], below: ['net', 'core', 'checks', 'saved'] },
  { name: 'machine', holds: ['machine/'], below: ['devices', 'net', 'kvm', 'jit', 'core', 'isa', 'checks', 'saved'] },
  { name: 'recorded', holds: ['recorded/'], below: ['core', 'isa'] },
  { name: 'node', holds: ['node/'], below: ['machine', 'devices', 'net', 'core', 'checks'] },
  {
    name: 'library',
    holds: ['index.ts'],
    below: ['machine', 'devices', 'net', 'kvm', 'core', 'isa', 'checks', 'saved'],
  },
  { name: 'worker', holds: ['worker/'], below: ['library', 'machine'] },
  { name: 'entries', holds: ['entries/'], below: ['worker', 'library', 'devices', 'core'] },
  { name: 'element', holds: ['element/'], below: ['entries', 'worker', 'library'] },
  {
    name: 'cli',
    holds: ['cli/'],
    below: ['checks', 'entries', 'library', 'node', 'recorded', 'machine', 'devices', 'net', 'kvm', 'core', 'isa'],
  },
];

/** Each layer imports only those before it. */
const ASSEMBLY_ORDER = ['cpu', 'apic', 'vmx', 'svm', 'mmu', 'code', 'isa', 'ops', 'exec', 'hv', 'index'];
const ASSEMBLY: Layer[] = ASSEMBLY_ORDER.map((name, at) => ({
  name,
  holds: name === 'index' ? ['index.ts'] : [`${name}/`],
  below: ASSEMBLY_ORDER.slice(0, at),
}));

/** Tables are read with a ruler, not from top to bottom: their length does not count. */
const TABLES = /(^|\/)(opcodes[\w-]*|[\w-]*\.cases|[\w-]*table[\w-]*)\.ts$/;
const LONG = 400;

/** Packages that the build puts into the one file that imports them, or leaves to the page. */
const PACKAGES: Record<string, RegExp> = {
  'src/devices/block/inflate.ts': /^fflate$/,
  'src/machine/firmware/loaders/decompress/zstd.ts': /^fzstd$/,
  'src/element/vm-launch.ts': /^@xterm\/(xterm|addon-fit|xterm\/css\/xterm\.css)$/,
};

function filesIn(...folders: string[]): string[] {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith('.ts'))
    .sort();
}

function text(name: string): string {
  return readFileSync(join(root, name), 'utf8');
}

function importsOf(source: string): string[] {
  const statements = source.matchAll(
    /^(?:import|export)\s+(?:[\w*$\s,]*(?:\{[^}]*\})?[\w*$\s,]*\bfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
  );
  return [...statements].map(([, from, dynamic]) => from ?? dynamic);
}

function layerOf(layers: Layer[], path: string): Layer | undefined {
  return layers.find(({ holds }) => holds.some((prefix) => path.startsWith(prefix)));
}

/** Every import that goes where it must not, as a sentence. */
function breaches(tree: string, layers: Layer[], files: Iterable<readonly [name: string, source: string]>): string[] {
  const found: string[] = [];
  for (const [name, source] of files) {
    const own = layerOf(layers, name.slice(tree.length + 1));
    if (!own) found.push(`${name} lies in no layer`);
    for (const target of importsOf(source)) {
      if (!target.startsWith('.')) {
        if (!target.startsWith('node:') && !PACKAGES[name]?.test(target))
          found.push(`${name} imports the package ${target}`);
        continue;
      }
      const path = normalize(join(dirname(name), target));
      const other = path.startsWith(`${tree}/`) ? layerOf(layers, `${path.slice(tree.length + 1)}`) : undefined;
      const indexed = other ?? layerOf(layers, `${path.slice(tree.length + 1)}.ts`);
      if (!indexed) found.push(`${name} imports ${path}, which lies in no layer of ${tree}/`);
      else if (own && indexed !== own && !own.below.includes(indexed.name)) {
        found.push(`${name} (${own.name}) imports ${path} (${indexed.name})`);
      }
    }
  }
  return found;
}

/** The first circle of imports among `files`, types included: its files in order; null where there is none. */
function circle(files: Iterable<readonly [name: string, source: string]>): string[] | null {
  const sources = new Map(files);
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): string[] | null => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (done.has(name)) return null;
    done.add(name);
    for (const target of importsOf(sources.get(name) ?? '').filter((one) => one.startsWith('.'))) {
      const file = normalize(join(dirname(name), target));
      const found = [file, `${file}.ts`].find((one) => sources.has(one));
      const way = found === undefined ? null : visit(found, [...path, name]);
      if (way) return way;
    }
    return null;
  };
  for (const name of sources.keys()) {
    const way = visit(name, []);
    if (way) return way;
  }
  return null;
}

function read(tree: string): (readonly [string, string])[] {
  return filesIn(tree).map((name) => [name, text(name)] as const);
}

describe('imports', () => {
  it('in src/ go downwards only', () => {
    expect(breaches('src', SRC, read('src'))).toEqual([]);
  });

  it('in assembly/ name only layers that come before', () => {
    expect(breaches('assembly', ASSEMBLY, read('assembly'))).toEqual([]);
  });

  it('go in no circle, types included', () => {
    expect(circle(['assembly', 'src', 'web', 'bench', 'tools'].flatMap(read))).toBeNull();
  });

  it.each([
    [
      'of two files',
      ["import { b } from './b.ts';", "import type { a } from './a.ts';"],
      ['src/a.ts', 'src/b.ts', 'src/a.ts'],
    ],
    ['of a file with itself', ["export * from './a.ts';", ''], ['src/a.ts', 'src/a.ts']],
    ['none', ["import { b } from './b.ts';", ''], null],
  ])('with a circle %s are refused', (_what, [a, b], way) => {
    expect(
      circle([
        ['src/a.ts', a],
        ['src/b.ts', b],
      ]),
    ).toEqual(way);
  });

  it('of the page name the element alone', () => {
    const found = read('web').flatMap(([name, source]) =>
      importsOf(source)
        .filter((target) => target.startsWith('.'))
        .map((target) => normalize(join(dirname(name), target)))
        .filter((path) => !path.startsWith('web/') && path !== 'src/element/vm-launch.ts')
        .map((path) => `${name} imports ${path}`),
    );
    expect(found).toEqual([]);
  });

  it('of a device name no other device, only what all devices share', () => {
    const shared = /^src\/devices\/(device|clock|backends|display|work-meter|is-zero|pci\/[\w-]+)\.ts$/;
    const found: string[] = [];
    for (const name of filesIn('src/devices')) {
      const family = name.split('/').length > 3 ? dirname(name) : name.replace(/\.ts$/, '').split('-')[0];
      for (const target of importsOf(text(name)).filter((one) => one.startsWith('.'))) {
        const path = normalize(join(dirname(name), target));
        if (path.startsWith('src/devices/') && !shared.test(path) && !path.startsWith(family)) {
          found.push(`${name} imports ${path}`);
        }
      }
    }
    expect(found).toEqual([]);
  });

  it.each([
    ['an upward import', 'src/isa/a.ts', "import { b } from '../machine/b.ts';", /isa\) imports .* \(machine\)/],
    [
      'an upward import of a type',
      'src/core/index.ts',
      "import type { b } from '../kvm/b.ts';",
      /core\) imports .* \(kvm\)/,
    ],
    ['an import over many lines', 'src/isa/a.ts', "import {\n  a,\n  b,\n} from '../core/index.ts';", /\(core\)/],
    ['an upward re-export', 'src/jit/a.ts', "export * from '../machine/b.ts';", /\(machine\)/],
    ['an upward dynamic import', 'src/isa/a.ts', "const x = await import('../cli/main.ts');", /\(cli\)/],
    ['a file in no layer', 'src/helpers/a.ts', '', /lies in no layer/],
    ['a file outside the tree', 'src/isa/a.ts', "import { x } from '../../tools/x.ts';", /no layer of src/],
    ['a package', 'src/isa/a.ts', "import x from 'left-pad';", /package left-pad/],
  ])('are refused when there is %s', (_what, name, source, message) => {
    expect(breaches('src', SRC, [[name, source]]).join()).toMatch(message);
  });
});

describe('source files', () => {
  const written = filesIn('src', 'assembly', 'tools', 'bench', 'web', 'test').filter((name) => !name.includes('.gen.'));

  it(`have at most ${LONG} lines, tables excepted`, () => {
    const long = written.filter((name) => !TABLES.test(name) && text(name).split('\n').length > LONG + 1);
    expect(long).toEqual([]);
  });

  it('open by saying what they are', () => {
    expect(written.filter((name) => !/^(#!.*\n)?\/[/*]/.test(text(name)))).toEqual([]);
  });

  it('have names in kebab case', () => {
    expect(
      written.filter((name) => !/^([a-z0-9-]+\/)+[a-z0-9-]+(\.(test|slow\.test|cases|gen|d))?\.ts$/.test(name)),
    ).toEqual([]);
  });

  it('keep no list of things to do', () => {
    const words = new RegExp(['TO', 'DO|FIX', 'ME|XX', 'X\\b'].join(''));
    expect(written.filter((name) => words.test(text(name)))).toEqual([]);
  });

  it('other than the core name WebAssembly nowhere in src/', () => {
    const allowed = /^src\/core\//;
    const users = filesIn('src').filter((name) => !allowed.test(name) && /\bWebAssembly\b/.test(text(name)));
    expect(users).toEqual([]);
  });
});
