/** `vmlaunch` for pages, Workers and their bundlers: the library, and a processor that is fetched. */
import { setDefaultSource } from '../core/package-source.ts';
import { fetchCore } from './fetch-core.ts';

export * from '../index.ts';

setDefaultSource(fetchCore);
