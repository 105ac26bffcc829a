/** Devices at fixed ports. */
import { DebugExit } from '../../../devices/debug-exit.ts';
import { PortE9 } from '../../../devices/port-e9.ts';
import { Pvpanic } from '../../../devices/pvpanic.ts';
import { IrqPorts, PageFlush, ScratchBytes, TESTDEV_IORAM_BYTES, TESTDEV_IRQ_LINES } from '../../../devices/testdev.ts';
import { device } from '../device-row.ts';

const TESTDEV = { SCRATCH: 0xe0, FLUSH: 0xe4, BYTE: 0xe8, LINES: 0x2000, IORAM: 0xff00_0000 } as const;
const ISA_LINES = 16;

export const debugExit = device({
  names: ['isa-debug-exit'],
  about: 'a write of N to the port exits with (N << 1) | 1',
  properties: {
    iobase: { kind: 'number', min: 1, max: 0xffff, initial: 0x501 },
    iosize: { kind: 'number', min: 1, max: 4, initial: 2 },
  },
  create(context, { iobase, iosize }) {
    const exit = new DebugExit((code) => context.end({ reason: 'debug-exit', code }));
    context.mapPorts('isa-debug-exit', iobase, iosize, exit);
  },
});

export const debugcon = device({
  names: ['isa-debugcon'],
  about: 'a port for messages: what is written there comes out where -debugcon says',
  properties: { iobase: { kind: 'number', min: 1, max: 0xffff, initial: 0x402 } },
  create(context, { iobase }) {
    context.mapPorts('isa-debugcon', iobase, 1, new PortE9((byte) => context.output('debugcon', byte)));
  },
});

export const pcTestdev = device({
  names: ['pc-testdev'],
  about: 'the test device of kvm-unit-tests',
  properties: {},
  create(context) {
    const inputs = Array.from({ length: TESTDEV_IRQ_LINES }, (_, irq) =>
      irq < ISA_LINES ? context.irq(irq) : () => {},
    );
    context.mapPorts('testdev', TESTDEV.SCRATCH, 4, new ScratchBytes(4));
    context.mapPorts('testdev-flush', TESTDEV.FLUSH, 4, new PageFlush());
    context.mapPorts('testdev-byte', TESTDEV.BYTE, 1, new ScratchBytes(1));
    context.mapPorts('testdev-irq', TESTDEV.LINES, TESTDEV_IRQ_LINES, new IrqPorts(inputs));
    context.mapMmio('testdev-ioram', TESTDEV.IORAM, TESTDEV_IORAM_BYTES, new ScratchBytes(TESTDEV_IORAM_BYTES));
  },
});

/** Linux finds it by ACPI, at the port that is given. */
export const pvpanic = device({
  names: ['pvpanic'],
  about: "tells when the guest's kernel panics, and ends the run then",
  properties: { ioport: { kind: 'number', min: 1, max: 0xffff, initial: 0x505 } },
  create(context, { ioport }) {
    const device = new Pvpanic((event) => {
      if (event === 'panicked') context.end({ reason: 'panicked' });
      else context.log('the guest panicked and runs its crash kernel');
    });
    context.mapPorts('pvpanic', ioport, 1, device);
    context.describe({ name: 'PVPN', hid: 'QEMU0001', ports: { base: ioport, length: 1 } });
  },
});
