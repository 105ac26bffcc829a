/**
 * How long an access to a device takes the processor, in nanoseconds of virtual time: what it takes on a PC. Guests count
 * accesses where they have no clock yet, and loops that wait for one poll as often as here: docs/decisions/0030.
 */

export interface AccessTimes {
  readonly read: number;
  readonly write: number;
}

export type Space = 'ports' | 'memory';

/**
 * Ports: a cycle of the ISA bus, or of what took its place, and IN and OUT wait for its end. Memory: a read waits for an
 * answer from behind bridges, a write is posted.
 */
const BY_SPACE: Readonly<Record<Space, AccessTimes>> = {
  ports: { read: 1000, write: 1000 },
  memory: { read: 500, write: 100 },
};

/** By the name of the range, where it is otherwise. */
const BY_NAME: ReadonlyMap<string, AccessTimes> = new Map([
  // Writes to configuration space are not posted.
  ['pci-ecam', { read: 500, write: 500 }],
  // A write buffer combines what goes to a screen.
  ['vga-window', { read: 500, write: 30 }],
  // What no PC has: files come byte by byte through the data port, and to write down a trace must not change it.
  ['fw_cfg', { read: 10, write: 1000 }],
  ['debugcon', { read: 0, write: 0 }],
  ['isa-debugcon', { read: 0, write: 0 }],
]);

/** Of a range, by what lies there; null for nothing. Nobody's answer takes as long as a device's. */
export function accessTimes(space: Space, name: string | null): AccessTimes {
  return (name === null ? undefined : BY_NAME.get(name)) ?? BY_SPACE[space];
}
