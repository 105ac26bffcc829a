/**
 * `npm run bench [-- PART] [NAME..]`: parts are interpreter, float, events, library, network and traps; without one, all but float
 * and network run.
 * Names restrict the benches (roms/README.md).
 */
import { benchEvents } from './events.ts';
import { benchInterpreter } from './interpreter.ts';
import { benchLibrary } from './library.ts';
import { benchNetwork } from './network.ts';
import { benchTraps } from './traps.ts';

const PARTS: Record<string, (only: readonly string[]) => Promise<void>> = {
  interpreter: (only) => benchInterpreter('kernel', only),
  float: (only) => benchInterpreter('float', only),
  events: benchEvents,
  library: benchLibrary,
  network: benchNetwork,
  traps: benchTraps,
};
const DEFAULT = ['interpreter', 'events', 'library'];

const [first, ...rest] = process.argv.slice(2);
const isPart = first !== undefined && first in PARTS;
const only = isPart || first === undefined ? rest : [first, ...rest];
for (const part of isPart ? [first] : DEFAULT) await PARTS[part](only);
process.exit(0);
