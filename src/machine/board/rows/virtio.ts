/**
 * virtio devices. Each has three names: `virtio-X-pci` and `virtio-X-device` (memory-mapped) as QEMU calls them, and
 * `virtio-X` for the transport that is natural for the machine.
 */
import { VirtioBlk } from '../../../devices/virtio/blk.ts';
import { Feature, type VirtioDevice } from '../../../devices/virtio/device.ts';
import type { DeviceContext, VirtioAttachment } from '../device-context.ts';
import { type DeviceRow, device, type Filled, PCI_PLACE, type Properties } from '../device-row.ts';

const TRANSPORT = {
  event_idx: { kind: 'flag', initial: true },
  indirect_desc: { kind: 'flag', initial: true },
  packed: { kind: 'flag', initial: true },
  ...PCI_PLACE,
  vectors: { kind: 'number', min: 0, max: 128, about: 'MSI-X vectors on PCI' },
} as const satisfies Properties;

type Names<K extends string> = K | `${K}-pci` | `${K}-device`;

/** A row for the virtio device `name`, whose own properties `make` gets. */
export function virtio<const K extends string, const P extends Properties>(row: {
  name: K;
  about: string;
  properties: P;
  make: (context: DeviceContext, properties: Filled<P>) => VirtioDevice;
}): DeviceRow<Names<K>, P & typeof TRANSPORT> {
  return device<Names<K>, P & typeof TRANSPORT>({
    names: [row.name, `${row.name}-pci`, `${row.name}-device`],
    about: row.about,
    properties: { ...row.properties, ...TRANSPORT },
    create(context, properties, name) {
      const made = row.make(context, properties as Filled<P>);
      const transport = properties as Filled<typeof TRANSPORT>;
      context.attachVirtio(made, {
        transport: transportOf(name),
        withhold: withheld(transport),
        addr: transport.addr,
        bus: transport.bus,
        vectors: transport.vectors,
      });
      return made;
    },
  });
}

function transportOf(name: string): VirtioAttachment['transport'] {
  if (name.endsWith('-pci')) return 'pci';
  return name.endsWith('-device') ? 'mmio' : undefined;
}

function withheld({ event_idx, indirect_desc, packed }: Filled<typeof TRANSPORT>): bigint {
  return (
    (event_idx ? 0n : Feature.EVENT_IDX) |
    (indirect_desc ? 0n : Feature.INDIRECT_DESC) |
    (packed ? 0n : Feature.RING_PACKED)
  );
}

export const blk = virtio({
  name: 'virtio-blk',
  about: 'a disk',
  properties: {
    drive: { kind: 'text', required: true, about: 'id of a -drive' },
    serial: { kind: 'text', initial: '' },
  },
  make: (context, { drive, serial }) =>
    new VirtioBlk(context.drive(drive), {
      serial,
      onError: (error) => context.log(`drive ${drive}: ${error instanceof Error ? error.message : error}`),
      busy: (work) => context.busy(work),
      doors: context.doors,
    }),
});
