/** `vmlaunch/inline`: the library with the processor in its JavaScript, for bundlers that copy no files. */
import { setDefaultSource } from '../core/package-source.ts';
import { unpackCore } from './unpack-core.ts';

export * from '../index.ts';

setDefaultSource(unpackCore);
