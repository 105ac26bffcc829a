/** The processor's stops by name, and how often each came. */
import { Stop } from '../../core/types.ts';

/** Names of the processor's stops, in the order of their numbers. */
const STOP_NAMES = {
  [Stop.BUDGET]: 'budget',
  [Stop.HALT]: 'halt',
  [Stop.SHUTDOWN]: 'shutdown',
  [Stop.REQUESTED]: 'requested',
  [Stop.WAIT_FOR_SIPI]: 'wait for SIPI',
} as const satisfies Record<Stop, string>;

export type StopName = (typeof STOP_NAMES)[Stop];

export function emptyStops(): Record<StopName, number> {
  return Object.fromEntries(Object.values(STOP_NAMES).map((name) => [name, 0])) as Record<StopName, number>;
}

export function stopName(stop: Stop): StopName {
  return STOP_NAMES[stop];
}
