/** -device: any row of the device table by QEMU's name, and the generic loader. */
import { nearest } from '../checks.ts';
import type { BootMode } from '../index.ts';
import { DEVICE_NAMES, DEVICE_TABLE, type DeviceRequest, findDevice } from '../machine/board/device-table.ts';
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
/** Properties of QEMU's that change nothing here. */
const IDLE_PROPERTIES = ['rng', 'iothread', 'bootindex', 'disable-legacy', 'romfile', 'host_mtu'];
const COMMON = { id: { kind: 'text' } } as const;

export type ParsedDevice =
  | { kind: 'device'; request: DeviceRequest }
  | { kind: 'loader'; flat: FlatImage }
  | { kind: 'help'; text: string };

/** Parses the value of -device. Throws UsageError with what is possible. */
export function parseDevice(value: string, notes: string[] = []): ParsedDevice {
  if (value === 'help' || value === '?') return { kind: 'help', text: deviceHelp() };
  const [name, ...words] = value.split(',');
  const row = findDevice(name);
  if (row && words.some((word) => word === 'help' || word === '?')) {
    return { kind: 'help', text: `${name}: ${row.about}\n${propertyHelp(row.properties)}` };
  }
  const list = parseProperties('device', value);
  if (list.name === 'loader') return { kind: 'loader', flat: parseLoader(list) };
  if (!row) throw noDevice(list.name);
  for (const key of IDLE_PROPERTIES) {
    if (key in row.properties || !list.values.delete(key)) continue;
    notes.push(`-device ${name},${key}= has no effect here`);
  }
  const values = parseValues('device', list, { ...row.properties, ...COMMON });
  return { kind: 'device', request: { type: name, ...values } };
}

/** Devices of QEMU's that are asked for often, and what comes nearest. */
const NEAREST_DEVICES: readonly (readonly [RegExp, string])[] = [
  [
    /^(e1000e?|rtl8139|ne2k_pci|pcnet|vmxnet3|i8255\d.*)$/,
    'there are virtio-net cards only: -device virtio-net-pci,netdev=ID',
  ],
  [
    /^(usb-|qemu-xhci|nec-usb-xhci|ich9-usb|piix3-usb)/,
    'there is no USB; keyboard and mouse are PS/2, and virtio-keyboard-pci and virtio-tablet-pci are there',
  ],
  [/^(ide-|ich9-ahci|ahci|piix3-ide)/, 'there is no IDE; disks are virtio-blk-pci and nvme'],
  [/^(virtio-scsi|scsi-|lsi53c895a|megasas)/, 'there is no SCSI; disks are virtio-blk-pci and nvme'],
  [/^(qxl|cirrus-vga|vmware-svga|bochs-display|ramfb|secondary-vga)/, 'there are VGA and virtio-gpu-pci'],
  [/^(AC97|ES1370|intel-hda|hda-|sb16|virtio-sound)/i, 'there is no sound'],
  [/^(i6300esb|ib700)$/, 'there is no watchdog; pvpanic tells of a crash'],
  [/^(isa-serial|pci-serial|usb-serial)$/, 'serial ports are made by -serial, up to four'],
  [/^(vfio-|ivshmem|pc-dimm|nvdimm|tpm-|intel-iommu|amd-iommu|virtio-iommu)/, 'there is nothing like it yet'],
];

/** The error for a device that there is not. */
export function noDevice(name: string, option = 'device'): UsageError {
  const near = NEAREST_DEVICES.find(([pattern]) => pattern.test(name))?.[1];
  const meant = nearest(name, DEVICE_NAMES);
  const hint = near ?? (meant === undefined ? '-device help lists them' : `did you mean '${meant}'?`);
  return new UsageError(`-${option} ${name}: there is no such device; ${hint}`);
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
