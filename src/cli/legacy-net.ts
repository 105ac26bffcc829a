/** -net nic and -net user, QEMU's words before -nic: a card and a network that meet on a hub. */
import { addNic } from './backends.ts';
import { parseProperties } from './properties.ts';
import type { RunOptions } from './run-options.ts';
import { UsageError } from './usage-error.ts';

export function addNet(options: RunOptions, value: string): void {
  const list = parseProperties('net', value);
  const rest = value.split(',').slice(1);
  switch (list.name) {
    case 'none':
      return;
    case 'nic':
      if (options.hub.card) throw new UsageError(`-net ${value}: one card is possible here; -nic makes more`);
      options.hub.card = rest;
      return;
    case 'user':
      if (options.hub.user) throw new UsageError(`-net ${value}: one network is possible here; -nic makes more`);
      options.hub.user = rest;
      return;
    default:
      throw new UsageError(`-net ${list.name}: there are nic, user and none; -netdev help lists others`);
  }
}

/** Connects what -net asked for. */
export function settleNet(options: RunOptions): void {
  const { card, user } = options.hub;
  if (card && user) addNic(options, ['user', ...user, ...card].join(','));
  else if (user) options.notes.push('-net user has no effect: there is no -net nic beside it');
  else if (card) options.notes.push('-net nic has no effect: there is no -net user beside it');
}
