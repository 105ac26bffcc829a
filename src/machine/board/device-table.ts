/**
 * All devices that a machine can be given: one row each, for the library's `devices` and for the command's -device. A
 * new device is a row in rows/ and a line here: for one on virtio by `virtio()` of rows/virtio.ts, and with a class in
 * devices/virtio/transport-pci.ts. docs/architecture.md follows one device from the command line to its interrupt.
 */
import { suggest } from '../../checks.ts';
import type { Device, IoDevice } from '../../devices/device.ts';
import type { Saved } from '../../saved.ts';
import type { DeviceContext } from './device-context.ts';
import {
  type DeviceNeeds,
  type DeviceRow,
  type Filled,
  fillProperties,
  type Properties,
  type PropertyValue,
  type SpecOf,
} from './device-row.ts';
import { gpu, vga } from './rows/display.ts';
import { pflash } from './rows/flash.ts';
import { balloon, p9, rng, vsock } from './rows/guest-links.ts';
import { virtioKeyboard, virtioTablet } from './rows/input.ts';
import { debugcon, debugExit, pcTestdev, pvpanic } from './rows/isa.ts';
import { net } from './rows/net.ts';
import { nvme } from './rows/nvme.ts';
import { rootPort } from './rows/root-port.ts';
import { virtconsole, virtioSerial, virtserialport } from './rows/serial-ports.ts';
import { blk } from './rows/virtio.ts';

const ROWS = [
  debugcon,
  debugExit,
  pcTestdev,
  pvpanic,
  pflash,
  rootPort,
  blk,
  net,
  nvme,
  rng,
  vga,
  gpu,
  balloon,
  p9,
  vsock,
  virtioKeyboard,
  virtioTablet,
  virtioSerial,
  virtconsole,
  virtserialport,
] as const;

/** A device of the embedder's own, at ports of its choice. */
export interface CustomDeviceSpec {
  type: 'custom';
  /** As it appears in reports and errors. */
  name: string;
  iobase: number;
  iosize: number;
  /** Where it has no `save` and `load`, a machine with it cannot be saved. */
  device: IoDevice & Partial<Saved>;
}

/** A device in words that nobody has checked. */
export interface DeviceRequest {
  type: string;
  id?: string;
  [property: string]: PropertyValue | undefined;
}

/** A device by QEMU's name and properties. */
export type TableDeviceSpec = SpecOf<(typeof ROWS)[number]>;
export type DeviceSpec = TableDeviceSpec | CustomDeviceSpec;

/** The table, for those who look things up by name. */
export const DEVICE_TABLE: readonly DeviceRow[] = ROWS;

/** Every name in the table. */
export const DEVICE_NAMES: readonly string[] = DEVICE_TABLE.flatMap(({ names }) => names);

/** The row of a device, undefined where the name is unknown. */
export function findDevice(name: string): DeviceRow | undefined {
  return DEVICE_TABLE.find(({ names }) => names.includes(name));
}

/** What the device of `spec` needs of the machine's making. Throws RangeError as createDevice does. */
export function deviceNeeds(spec: DeviceSpec): DeviceNeeds {
  if (spec.type === 'custom') return {};
  const { row, properties } = resolve(spec);
  return row.needs?.(properties) ?? {};
}

/** Makes the device of `spec`; returns what the embedder may drive it by, if anything. Throws RangeError where its name, a property or the wish itself is not possible. */
export function createDevice(context: DeviceContext, spec: DeviceSpec): object | undefined {
  if (spec.type === 'custom') {
    context.mapPorts(spec.name, spec.iobase, spec.iosize, savable(spec));
    return undefined;
  }
  const { row, properties } = resolve(spec);
  return row.create(context, properties, spec.type) ?? undefined;
}

/** Whether there is such a device with such properties. Throws RangeError as createDevice does. */
export function checkDevice(request: DeviceRequest): asserts request is TableDeviceSpec {
  resolve(request);
}

function resolve({ type, id: _id, ...given }: DeviceRequest): { row: DeviceRow; properties: Filled<Properties> } {
  const row = findDevice(type);
  if (!row) throw new RangeError(`device '${type}' is unknown: ${suggest(type, DEVICE_NAMES)}`);
  return { row, properties: fillProperties(`device ${type}`, row.properties, given) };
}

/** What the device at `position` is called among the parts of a machine: its kind and its number among those of its kind. */
export function partName(specs: readonly { readonly type: string }[], position: number): string {
  const kindOf = ({ type }: { readonly type: string }): string => findDevice(type)?.names[0] ?? type;
  const kind = kindOf(specs[position]);
  return `${kind}[${specs.slice(0, position).filter((spec) => kindOf(spec) === kind).length}]`;
}

/** The embedder's device, as one that can be saved or says that it cannot. */
function savable({ name, device }: CustomDeviceSpec): Device {
  const cannot = (): never => {
    throw new Error(`device '${name}' cannot be saved: it has no save and load`);
  };
  return {
    maxWidth: device.maxWidth,
    read: (offset, width) => device.read(offset, width),
    write: (offset, width, value) => device.write(offset, width, value),
    save: () => (device.save && device.load ? device.save() : cannot()),
    load: (state) => (device.save && device.load ? device.load(state) : cannot()),
  };
}
