/**
 * The places in src/ where the package differs from a checkout, as plugins for esbuild: where the processor's module
 * comes from, the module as JavaScript, and classes that keep their names where identifiers are minified.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, deflateRawSync } from 'node:zlib';
import type { Plugin } from 'esbuild';
import { Z85 } from '../src/entries/packed-core.ts';

const CLASS = /^(?:export )?(?:abstract )?class (\w+)(?:<[^{]*>)?(?: (?:extends|implements) [^{]+)? \{$/gm;

/** Lets `error.constructor.name` and `console.log(machine)` say what they say in the sources. */
export const classNames: Plugin = {
  name: 'class-names',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      return { contents: text.replace(CLASS, "$& static readonly name: string = '$1';"), loader: 'ts' };
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
