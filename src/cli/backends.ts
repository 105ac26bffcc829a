/**
 * -drive, -netdev, -chardev, -fsdev and their short forms: each names a row of a table, which says what properties it has and how the backend
 * is opened. Parsing touches nothing; backends are opened when the machine is made, and closed when it has ended.
 */
import type { Backends, FileTree } from '../index.ts';
import type { DeviceRequest } from '../machine/board/device-table.ts';
import type { BackendRow, Opened } from './backend-row.ts';
import { CHARDEVS } from './chardevs.ts';
import { closeAll } from './close-all.ts';
import { DRIVES } from './drives.ts';
import { FSDEVS, takeMountTag } from './fsdevs.ts';
import { NETDEVS } from './netdevs.ts';
import type { CliHost } from './process.ts';
import { type PropertyList, parseProperties } from './properties.ts';
import { parseValues, propertyHelp } from './table.ts';
import { UsageError } from './usage-error.ts';

/** A backend as the command line asks for it. */
export interface BackendRequest {
  option: 'drive' | 'netdev' | 'chardev' | 'fsdev';
  id: string;
  /** Name of the row. */
  type: string;
  values: Record<string, number | boolean | string>;
}

export interface BackendOptions {
  backends: BackendRequest[];
  devices: DeviceRequest[];
}

const TABLES: Record<BackendRequest['option'], Readonly<Record<string, BackendRow<unknown>>>> = {
  drive: DRIVES,
  netdev: NETDEVS,
  chardev: CHARDEVS,
  fsdev: FSDEVS,
};
const PLURALS = { drive: 'drives', netdev: 'netdevs', chardev: 'chardevs', fsdev: 'folders' } as const;
/** The device that -drive if=... makes. */
const INTERFACES: Record<string, string | null> = { none: null, virtio: 'virtio-blk', nvme: 'nvme', pflash: 'pflash' };
const DEFAULT_NIC = 'virtio-net';

/** -netdev TYPE,id=ID,..., -chardev TYPE,id=ID,... and -fsdev TYPE,id=ID,... */
export function addBackend(options: BackendOptions, option: 'netdev' | 'chardev' | 'fsdev', value: string): void {
  const list = parseProperties(option, value);
  const row = findRow(option, list.name);
  const id = takeId(option, list) ?? '';
  if (id === '') throw new UsageError(`-${option} ${value}: id= is missing`);
  push(options, { option, id, type: list.name, values: parseValues(option, list, row.properties) });
}

/** -virtfs TYPE,mount_tag=TAG,...: a -fsdev and its device in one. */
export function addVirtfs(options: BackendOptions, value: string): void {
  const list = parseProperties('virtfs', value);
  const row = findRow('fsdev', list.name);
  const id = takeId('virtfs', list) ?? `virtfs${options.backends.filter(({ option }) => option === 'fsdev').length}`;
  options.devices.push(takeMountTag(list, id));
  push(options, { option: 'fsdev', id, type: list.name, values: parseValues('virtfs', list, row.properties) });
}

/** -drive file=FILE[,if=virtio|nvme|pflash|none][,unit=N][,format=FORMAT][,id=ID],... */
export function addDrive(options: BackendOptions, value: string): void {
  const list = parseProperties('drive', value);
  const take = (key: string, other: string): string => {
    const text = list.values.get(key) ?? other;
    list.values.delete(key);
    return text;
  };
  const bus = take('if', 'virtio');
  if (!Object.hasOwn(INTERFACES, bus)) {
    throw new UsageError(`-drive if=${bus}: there are ${Object.keys(INTERFACES).join(', ')}`);
  }
  const chips = options.devices.filter((device) => device.type === 'pflash').length;
  const unit = bus === 'pflash' ? flashUnit(take('unit', String(chips))) : undefined;
  const type = take('format', 'auto');
  const row = findRow('drive', type);
  const count = options.backends.filter(({ option }) => option === 'drive').length;
  const id = takeId('drive', list) ?? `drive${count}`;
  const values = parseValues('drive', list, row.properties);
  push(options, { option: 'drive', id, type, values });
  const device = INTERFACES[bus];
  if (device) options.devices.push({ type: device, drive: id, ...(unit === undefined ? {} : { unit }) });
}

function flashUnit(text: string): number {
  if (text !== '0' && text !== '1') throw new UsageError(`-drive if=pflash,unit=${text}: there are 0 and 1`);
  return Number(text);
}

/** -nic TYPE[,model=DEVICE][,mac=ADDRESS],...: a -netdev and its card in one. */
export function addNic(options: BackendOptions, value: string): void {
  const list = parseProperties('nic', value);
  if (list.name === 'none') return;
  const row = findRow('netdev', list.name);
  const model = list.values.get('model') ?? DEFAULT_NIC;
  const mac = list.values.get('mac');
  list.values.delete('model');
  list.values.delete('mac');
  const id = takeId('nic', list) ?? `nic${options.backends.filter(({ option }) => option === 'netdev').length}`;
  push(options, { option: 'netdev', id, type: list.name, values: parseValues('nic', list, row.properties) });
  options.devices.push({ type: model, netdev: id, ...(mac === undefined ? {} : { mac }) });
}

/** What there is for `-OPTION help`. */
export function backendHelp(option: BackendRequest['option']): string {
  const rows = Object.entries(TABLES[option]).map(
    ([name, { about, properties }]) => `${name}: ${about}\n${propertyHelp(properties)}`,
  );
  return rows.join('') || `this version has no -${option} yet\n`;
}

/** Opens all backends, and returns how to close them. What was opened is closed if one fails. */
export async function openBackends(
  requests: readonly BackendRequest[],
  host: CliHost,
): Promise<Backends & { folders?: Record<string, FileTree>; close(): Promise<void> }> {
  const opened: Record<string, Record<string, Opened<unknown>>> = {
    drives: {},
    netdevs: {},
    chardevs: {},
    folders: {},
  };
  const close = (): Promise<void> => {
    const all = Object.values(opened).flatMap((byId) => Object.values(byId));
    return closeAll(all.map((one) => () => (one as { close?(): void | Promise<void> }).close?.()));
  };
  try {
    for (const { option, id, type, values } of requests) {
      opened[PLURALS[option]][id] = await findRow(option, type).open(`-${option} ${id}`, values, host);
    }
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
  return { ...opened, close };
}

function push(options: BackendOptions, request: BackendRequest): void {
  if (options.backends.some(({ option, id }) => option === request.option && id === request.id)) {
    throw new UsageError(`-${request.option} id=${request.id}: this id is taken`);
  }
  options.backends.push(request);
}

function takeId(option: string, list: PropertyList): string | undefined {
  const id = list.values.get('id');
  list.values.delete('id');
  if (id !== undefined && !/^[a-z][\w.-]*$/i.test(id)) {
    throw new UsageError(`-${option} id=${id}: an id is a letter followed by letters, digits, '-', '.' and '_'`);
  }
  return id;
}

function findRow(option: BackendRequest['option'], name: string): BackendRow<unknown> {
  const table = TABLES[option];
  if (!Object.hasOwn(table, name)) {
    const what = option === 'drive' ? `-drive format=${name}` : `-${option} ${name}`;
    throw new UsageError(`${what}: there are ${Object.keys(table).join(', ') || 'none yet'}`);
  }
  return table[name];
}
