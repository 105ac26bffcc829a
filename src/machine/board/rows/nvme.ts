/** The NVMe disk, with QEMU's properties. */
import { NvmeFunction } from '../../../devices/nvme/nvme.ts';
import { device, PCI_PLACE } from '../device-row.ts';

export const nvme = device({
  names: ['nvme'],
  about: 'an NVMe disk',
  properties: {
    drive: { kind: 'text', required: true, about: 'id of a -drive' },
    serial: { kind: 'text', initial: 'vmlaunch' },
    max_ioqpairs: { kind: 'number', min: 1, max: 64, initial: 8, about: 'pairs of queues for I/O' },
    ...PCI_PLACE,
  },
  create(context, { drive, serial, max_ioqpairs, ...place }) {
    const made = new NvmeFunction({
      memory: context.memory,
      wrote: (pa, length) => context.wrote(pa, length),
      backend: context.drive(drive),
      serial,
      pairs: max_ioqpairs,
      defer: context.defer,
      charge: (bytes) => context.charge(bytes),
      busy: (work) => context.busy(work),
      doors: context.doors,
      log: (line) => context.log(line),
    });
    context.onReset(() => made.reset());
    context.attachPci(made, place);
    return made;
  },
});
