/**
 * QEMU's standard VGA (QEMU documentation, "Standard VGA"): a PCI function with video memory in BAR 0 and, in BAR 2, the
 * registers of VGA and display interface as memory.
 */
import type { Width } from '../core/types.ts';
import type { Face } from './device.ts';
import { PciFunction } from './pci/function.ts';
import { VGA_PORTS, type Vga } from './vga.ts';
import { DISPI_REGISTERS } from './vga-state.ts';

const ID = { VENDOR: 0x1234, DEVICE: 0x1111, REVISION: 2, CLASS: 0x03_0000 } as const;
const SUBSYSTEM = { VENDOR: 0x1af4, DEVICE: 0x1100 } as const;
const Register = { PORTS: 0x400, PORTS_END: 0x420, DISPI: 0x500 } as const;
const FIRST_PORT = 0x3c0 - VGA_PORTS.BASE;
const REGISTER_BYTES = 0x1000;

export class VgaFunction extends PciFunction {
  /** `moved` is told where video memory appears, null for nowhere. */
  constructor(vga: Vga, memoryBytes: number, moved: (base: number | null) => void) {
    super({
      name: 'VGA',
      vendor: ID.VENDOR,
      device: ID.DEVICE,
      revision: ID.REVISION,
      classCode: ID.CLASS,
      subsystemVendor: SUBSYSTEM.VENDOR,
      subsystem: SUBSYSTEM.DEVICE,
    });
    const nothing: Face = { maxWidth: 4, stateOf: null, read: () => 0, write: () => {} };
    this.addBar(
      0,
      { name: 'vga-memory', kind: 'memory', size: memoryBytes, device: nothing, moved },
      { isPrefetchable: true },
    );
    const device = registers(vga);
    this.addBar(2, { name: 'vga-registers', kind: 'memory', size: REGISTER_BYTES, device });
  }
}

function registers(vga: Vga): Face {
  const dispi = (offset: number): number => (offset - Register.DISPI) >> 1;
  const isPort = (offset: number): boolean => offset >= Register.PORTS && offset < Register.PORTS_END;
  const isDispi = (offset: number): boolean => offset >= Register.DISPI && dispi(offset) < DISPI_REGISTERS;
  return {
    maxWidth: 2,
    stateOf: vga,
    read: (offset: number, width: Width) => {
      if (isPort(offset) && width === 1) return vga.read(offset - Register.PORTS + FIRST_PORT, 1);
      if (isPort(offset)) return vga.read(offset - Register.PORTS + FIRST_PORT, 1) * 0x101;
      return isDispi(offset) ? vga.readDispi(dispi(offset)) % 2 ** (8 * width) : 0;
    },
    write: (offset: number, width: Width, value: number) => {
      if (isPort(offset)) {
        for (let n = 0; n < width; n++)
          vga.write(offset - Register.PORTS + FIRST_PORT + n, 1, (value >> (8 * n)) & 0xff);
      } else if (isDispi(offset)) vga.writeDispi(dispi(offset), value);
    },
  };
}
