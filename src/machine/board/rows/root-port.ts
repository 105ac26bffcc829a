/** Root ports of PCI Express: each has a slot for a device that names it by `bus`. */
import { RootPort } from '../../../devices/pci/root-port.ts';
import type { DeviceContext } from '../device-context.ts';
import { device } from '../device-row.ts';

const TYPE = 'pcie-root-port';

export const rootPort = device({
  names: [TYPE],
  about: 'a slot of PCI Express on a q35, for a device with bus= its id',
  properties: {
    chassis: {
      kind: 'number',
      min: 0,
      max: 255,
      initial: 0,
      about: 'no two ports have both chassis and slot in common',
    },
    slot: { kind: 'number', min: 0, max: 0x1fff, initial: 0 },
    addr: { kind: 'text', about: 'its own PCI slot, or slot.function, in hexadecimal' },
    bus: { kind: 'choice', choices: ['pcie.0'] },
  },
  create(context, { chassis, slot, addr }) {
    if (context.machine !== 'q35') throw new RangeError(`device ${TYPE}: only machine q35 has PCI Express`);
    const { id = TYPE } = own(context);
    const twin = context.specs.slice(0, context.position).some((spec) => isLike(spec, chassis, slot));
    if (twin) throw new RangeError(`device ${TYPE},id=${id}: chassis ${chassis} has a slot ${slot} already`);
    const port = new RootPort({ name: id, slot });
    context.attachPci(port, { addr });
    return port;
  },
});

interface Spec {
  type: string;
  id?: string;
  chassis?: number;
  slot?: number;
}

const own = ({ specs, position }: DeviceContext): Spec => specs[position];

const isLike = ({ type, chassis = 0, slot = 0 }: Spec, otherChassis: number, otherSlot: number): boolean =>
  type === TYPE && chassis === otherChassis && slot === otherSlot;
