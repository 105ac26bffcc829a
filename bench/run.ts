/**
 * `npm run bench [-- NAME..]`: every bench, or the named ones (roms/README.md).
 */
import { benchEvents } from './events.ts';
import { benchInterpreter } from './interpreter.ts';

const only = process.argv.slice(2);
await benchInterpreter(only);
await benchEvents(only);
process.exit(0);
