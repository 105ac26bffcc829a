/** -object: what is written down of a network, and objects of QEMU's that devices have here by themselves. */
import { suggest } from '../checks.ts';
import { parseFilterDump } from './netdevs.ts';
import { parseProperties } from './properties.ts';
import type { RunOptions } from './run-options.ts';
import { UsageError } from './usage-error.ts';

/** Accepted: what the object is for is here without it. */
const IDLE_OBJECTS: Readonly<Record<string, string>> = {
  'rng-random': "a virtio-rng takes the host's random numbers, or those of the seed where time is virtual",
  'rng-builtin': "a virtio-rng takes the host's random numbers, or those of the seed where time is virtual",
  'memory-backend-ram': 'memory lies in the process',
  'memory-backend-memfd': 'memory lies in the process',
  'memory-backend-file': 'memory lies in the process',
  iothread: 'devices work in the thread of the machine',
};

export function addObject(options: RunOptions, value: string): void {
  const list = parseProperties('object', value);
  const type = list.values.get('qom-type') ?? list.name;
  if (Object.hasOwn(IDLE_OBJECTS, type)) options.notes.push(`-object ${type} has no effect: ${IDLE_OBJECTS[type]}`);
  else if (type === 'filter-dump') options.dumps.push(parseFilterDump(value, list));
  else throw new UsageError(`-object ${type}: ${suggest(type, ['filter-dump', ...Object.keys(IDLE_OBJECTS)])}`);
}
