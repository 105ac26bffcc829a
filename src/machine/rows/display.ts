/** What shows pictures. */
import { DISPI_PORTS, VGA_PORTS, Vga } from '../../devices/vga.ts';
import { VGA_WINDOW_BYTES } from '../../devices/vga-memory.ts';
import { VgaFunction } from '../../devices/vga-pci.ts';
import { device } from '../device-row.ts';

const MIB = 0x10_0000;
const WINDOW = 0xa_0000;

export const vga = device({
  names: ['VGA'],
  about: 'the standard VGA: text mode, planes, and a linear framebuffer',
  properties: {
    addr: { kind: 'text', about: 'PCI slot, in hexadecimal' },
    vgamem_mb: { kind: 'number', min: 1, max: 256, initial: 16 },
  },
  create(context, { addr, vgamem_mb }) {
    if (!Number.isInteger(Math.log2(vgamem_mb)))
      throw new RangeError(`device VGA: vgamem_mb=${vgamem_mb} is no power of 2`);
    const memory = context.extraMemory('vga', vgamem_mb * MIB);
    const card = new Vga({ clock: context.clock, framebuffer: () => memory.bytes() });
    context.mapPorts('vga', VGA_PORTS.BASE, VGA_PORTS.COUNT, card);
    context.mapPorts('vga-dispi', DISPI_PORTS.BASE, DISPI_PORTS.COUNT, card.dispiPorts);
    context.mapMmio('vga-window', WINDOW, VGA_WINDOW_BYTES, card.window);
    context.attachPci(new VgaFunction(card, vgamem_mb * MIB, (base) => memory.place(base, 'ram')), addr);
    context.showOn(card);
    return card;
  },
});
