/** What shows pictures. */
import { DISPI_PORTS, VGA_PORTS, Vga } from '../../../devices/vga.ts';
import { VGA_WINDOW_BYTES } from '../../../devices/vga-memory.ts';
import { VgaFunction } from '../../../devices/vga-pci.ts';
import { VirtioGpu } from '../../../devices/virtio/gpu.ts';
import { device } from '../device-row.ts';
import { virtio } from './virtio.ts';

const MIB = 0x10_0000;
const WINDOW = 0xa_0000;
const VIDEO_MEMORY = 'vga';

export const vga = device({
  names: ['VGA'],
  about: 'the standard VGA: text mode, planes, and a linear framebuffer',
  properties: {
    addr: { kind: 'text', about: 'PCI slot, in hexadecimal' },
    bus: { kind: 'choice', choices: ['pci.0', 'pcie.0'], about: 'its memory below 1 MiB is behind no port' },
    vgamem_mb: { kind: 'number', min: 1, max: 256, initial: 16 },
  },
  needs({ vgamem_mb }) {
    if (!Number.isInteger(Math.log2(vgamem_mb)))
      throw new RangeError(`device VGA: vgamem_mb=${vgamem_mb} is no power of 2`);
    return { extraMemory: { name: VIDEO_MEMORY, bytes: vgamem_mb * MIB }, isVga: true };
  },
  create(context, { addr, vgamem_mb }) {
    const memory = context.extraMemory(VIDEO_MEMORY, vgamem_mb * MIB);
    const card = new Vga({ clock: context.clock, framebuffer: () => memory.bytes() });
    context.mapPorts('vga', VGA_PORTS.BASE, VGA_PORTS.COUNT, card);
    context.mapPorts('vga-dispi', DISPI_PORTS.BASE, DISPI_PORTS.COUNT, card.dispiPorts);
    context.mapMmio('vga-window', WINDOW, VGA_WINDOW_BYTES, card.window);
    context.attachPci(new VgaFunction(card, vgamem_mb * MIB, (base) => memory.place(base, 'ram')), { addr });
    context.showOn(card);
    return card;
  },
});

export const gpu = virtio({
  name: 'virtio-gpu',
  about: 'a screen over virtio, in two dimensions',
  properties: {
    xres: { kind: 'number', min: 16, max: 8192, initial: 1280, about: 'the size that the driver is told' },
    yres: { kind: 'number', min: 16, max: 8192, initial: 800 },
    max_hostmem: { kind: 'number', min: MIB, max: 1024 * MIB, initial: 256 * MIB, about: 'bytes for its pictures' },
  },
  make(context, { xres, yres, max_hostmem }) {
    const made = new VirtioGpu({ width: xres, height: yres, maxBytes: max_hostmem, doors: context.doors });
    context.showOn(made);
    return made;
  },
});
