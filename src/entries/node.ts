/** `vmlaunch` for Node, bun and deno: the library, and a processor that is read from its file. */
import { setDefaultSource } from '../core/package-source.ts';
import { readCore } from './read-core.ts';

export * from '../index.ts';

setDefaultSource(readCore);
