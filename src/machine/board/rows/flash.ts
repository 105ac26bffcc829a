/** Flash chips: see flash.ts of the machine for where they lie, and boot.ts for who fills them. */
import { Pflash } from '../../../devices/pflash.ts';
import { device } from '../device-row.ts';
import { flashChips, flashRegion } from '../flash.ts';

export const pflash = device({
  names: ['pflash'],
  about: 'a flash chip with firmware or its variables: unit 0 ends at 4 GiB, unit 1 lies below it',
  properties: {
    drive: { kind: 'text', required: true },
    unit: { kind: 'number', min: 0, max: 1, initial: 0 },
  },
  create(context, { drive, unit }) {
    const backend = context.drive(drive);
    const { base } = flashChips(context.specs, context.drives)[unit];
    const region = context.extraMemory(flashRegion(unit), backend.capacity);
    const chip = new Pflash({
      bytes: () => region.bytes(),
      show: (isArray) => region.place(isArray ? base : null, 'rom'),
      backend,
      busy: context.busy,
    });
    context.mapMmio(`flash${unit}`, base, backend.capacity, chip);
    context.onReset(() => chip.reset());
  },
});
