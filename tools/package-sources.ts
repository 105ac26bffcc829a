/**
 * The places in src/ where the package differs from a checkout, as plugins for esbuild: where the processor's module
 * comes from, the module as JavaScript, classes that keep their names where identifiers are minified, and xterm.js.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { constants, deflateRawSync } from 'node:zlib';
import { type Plugin, transform } from 'esbuild';
import { Z85 } from '../src/entries/packed-core.ts';
import type { Row } from '../src/isa/table.ts';

const CLASS = /^(?:export )?(?:abstract )?class (\w+)(?:<[^{]*>)?(?: (?:extends|implements) [^{]+)? \{$/gm;

/** The classes that users of the package meet: those that its entries name, and errors. */
const ENTRIES = ['index', 'node/index', 'entries/worker', 'element/vm-launch'].map((name) =>
  readFileSync(new URL(`../src/${name}.ts`, import.meta.url), 'utf8'),
);
const isMet = (name: string): boolean =>
  name.endsWith('Error') || ENTRIES.some((text) => new RegExp(`\\b${name}\\b`).test(text));

/** Lets `error.constructor.name` and `console.log(machine)` say what they say in the sources. */
export const classNames: Plugin = {
  name: 'class-names',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const named = text.replace(CLASS, (start, name) =>
        isMet(name) ? `${start} static readonly name: string = '${name}';` : start,
      );
      return { contents: named, loader: 'ts' };
    });
  },
};

const ROW_KEYS = ['code', 'op', 'args', 'fn', 'w', 'traits', 'feature', 'fallback'] as const;
/** Makes rows of lines again: a field for each key, without those at the end that are empty. */
const UNPACK = `const rows = (text) => text.split('\\n').map((line) => {
  const [code, op, args = '', fn, w, traits, feature, fallback] = line.split('|');
  return {
    code, op, args, ...(fn && { fn }), ...(w && { w }), ...(traits && { traits: traits.split(' ') }),
    ...(feature && { feature }), ...(fallback && { fallback: true }),
  };
});`;

/** Writes the rows of the opcode table as lines of text: names of keys are half of what they are as objects. */
export const opcodeTables: Plugin = {
  name: 'opcode-tables',
  setup(build) {
    build.onLoad({ filter: /\/src\/isa\/opcodes-[\w-]+\.ts$/ }, async ({ path }) => {
      const tables: Record<string, readonly Row[]> = await import(pathToFileURL(path).href);
      const texts = Object.entries(tables).map(([name, rows]) => {
        const text = JSON.stringify(rows.map(lineOf).join('\n'));
        return `export const ${name} = rows(${text});`;
      });
      return { contents: `${UNPACK}\n${texts.join('\n')}`, loader: 'js' };
    });
  },
};

function lineOf(row: Row): string {
  const strange = Object.keys(row).find((key) => !ROW_KEYS.some((known) => known === key));
  if (strange !== undefined) throw new Error(`${row.code}: there is no place for '${strange}' in a packed row`);
  const fields = ROW_KEYS.map((key) => row[key] ?? '').map((value) =>
    Array.isArray(value) ? value.join(' ') : String(value),
  );
  return fields.join('|').replace(/\|+$/, '');
}

/** Leaves the code of xterm.js to the page that shows it; its style sheet comes with the element. */
export const peers: Plugin = {
  name: 'peers',
  setup(build) {
    build.onResolve({ filter: /^@xterm\/[\w-]+$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** Makes short texts of style sheets. */
export const styles: Plugin = {
  name: 'styles',
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, 'utf8'), {
        loader: 'css',
        minify: true,
        legalComments: 'none',
      });
      return { contents: code, loader: 'text' };
    });
  },
};

/** Swaps those sources for a bundle of the package or of a page; `core` is the built module. */
export function packageSources(root: string, core: string): Plugin {
  return {
    name: 'package-sources',
    setup(build) {
      build.onResolve({ filter: /\/default-source\.ts$/ }, () => ({ path: join(root, 'src/core/package-source.ts') }));
      build.onLoad({ filter: /\/packed-core\.ts$/ }, ({ path }) => {
        const bytes = readFileSync(core);
        const packed = z85(deflateRawSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
        const own = readFileSync(path, 'utf8').replace("PACKED = ''", () => `PACKED = '${packed}'`);
        return { contents: own.replace('BYTES = 0', `BYTES = ${bytes.length}`), loader: 'ts' };
      });
    },
  };
}

/** Four bytes in five characters (ZeroMQ's RFC 32), after zeros up to a multiple of four: shorter than base64. */
function z85(bytes: Buffer): string {
  const padded = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  let text = '';
  for (let at = 0; at < padded.length; at += 4) {
    const word = padded.readUInt32BE(at);
    for (let scale = 85 ** 4; scale >= 1; scale /= 85) text += Z85[Math.floor(word / scale) % 85];
  }
  return text;
}
