/**
 * `npm run bench [-- PART] [NAME..]`: parts are interpreter, float, events, library, linux, network and traps; without
 * one, interpreter, events and library run.
 * Names restrict the benches (roms/README.md).
 */
import { benchEvents } from './events.ts';
import { benchInterpreter } from './interpreter.ts';
import { benchLibrary } from './library.ts';
import { benchLinux } from './linux.ts';
import { benchNetwork } from './network.ts';
import { benchTraps } from './traps.ts';

const PARTS: Record<string, (only: readonly string[]) => Promise<void>> = {
  interpreter: (only) => benchInterpreter('kernel', only),
  float: (only) => benchInterpreter('float', only),
  events: benchEvents,
  library: benchLibrary,
  network: benchNetwork,
  traps: benchTraps,
  linux: benchLinux,
};
const DEFAULT = ['interpreter', 'events', 'library'];

const [first, ...rest] = process.argv.slice(2);
const isPart = first !== undefined && first in PARTS;
const only = isPart || first === undefined ? rest : [first, ...rest];
for (const part of isPart ? [first] : DEFAULT) await PARTS[part](only);
process.exit(0);
