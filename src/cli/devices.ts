/** -device: any row of the device table by QEMU's name, and the generic loader. */
import type { BootMode } from '../index.ts';
import { DEVICE_TABLE, type DeviceRequest, findDevice } from '../machine/board/device-table.ts';
import { checkKeys, type PropertyList, parseNumber, parseProperties } from './properties.ts';
import { parseValues, propertyHelp } from './table.ts';
import { UsageError } from './usage-error.ts';

export interface FlatImage {
  path: string;
  address: number;
  mode: BootMode;
}

const MODES: Record<string, BootMode> = { 16: 16, 32: 32, 64: 64 };
const LAST_ADDRESS = 0xffff_ffff;
const COMMON = { id: { kind: 'text' } } as const;

export type ParsedDevice =
  | { kind: 'device'; request: DeviceRequest }
  | { kind: 'loader'; flat: FlatImage }
  | { kind: 'help'; text: string };

/** Parses the value of -device. Throws UsageError with what is possible. */
export function parseDevice(value: string): ParsedDevice {
  if (value === 'help' || value === '?') return { kind: 'help', text: deviceHelp() };
  const [name, ...words] = value.split(',');
  const row = findDevice(name);
  if (row && words.some((word) => word === 'help' || word === '?')) {
    return { kind: 'help', text: `${name}: ${row.about}\n${propertyHelp(row.properties)}` };
  }
  const list = parseProperties('device', value);
  if (list.name === 'loader') return { kind: 'loader', flat: parseLoader(list) };
  if (!row) throw new UsageError(`-device ${list.name}: there is no such device; -device help lists them`);
  const values = parseValues('device', list, { ...row.properties, ...COMMON });
  return { kind: 'device', request: { type: name, ...values } };
}

function deviceHelp(): string {
  const rows = DEVICE_TABLE.map(({ names, about }) => `  ${names.join(', ').padEnd(58)} ${about}\n`);
  return `${rows.join('')}  ${'loader'.padEnd(58)} a flat binary instead of a kernel\n-device NAME,help lists properties\n`;
}

/** QEMU's generic loader, plus the mode in which the image is entered. */
function parseLoader(list: PropertyList): FlatImage {
  checkKeys('device', list, ['file', 'addr', 'mode', 'cpu-num', 'force-raw']);
  const [path, address, modeText = '16'] = ['file', 'addr', 'mode'].map((key) => list.values.get(key));
  if (!path) throw new UsageError('-device loader needs file=FILE');
  if (!address) throw new UsageError(`-device loader,file=${path} needs addr=ADDRESS`);
  if (!Object.hasOwn(MODES, modeText)) throw new UsageError(`-device loader,mode=${modeText}: there are 16, 32 and 64`);
  return { path, address: parseNumber('-device loader,addr=', address, 0, LAST_ADDRESS), mode: MODES[modeText] };
}
