/**
 * The places in src/ where the package differs from a checkout, as plugins for esbuild: where the processor's module
 * comes from, the module as JavaScript, and classes that keep their names where identifiers are minified.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, deflateRawSync } from 'node:zlib';
import type { Plugin } from 'esbuild';

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
      build.onLoad({ filter: /\/packed-core\.ts$/ }, () => {
        const bytes = readFileSync(core);
        const packed = deflateRawSync(bytes, { level: constants.Z_BEST_COMPRESSION }).toString('base64');
        return { contents: `export const PACKED = '${packed}'; export const BYTES = ${bytes.length};`, loader: 'ts' };
      });
    },
  };
}
