/** What the guest is started with, prepared once and put in place at every power-on: a kernel in RAM, or firmware. */
import type { Core } from '../core-types.ts';
import { writeAcpi } from './acpi.ts';
import { enter } from './boot-state.ts';
import type { AcpiBoard } from './dsdt.ts';
import { type ExtraMemory, type ExtraRegion, FIRMWARE_REGION } from './extra-memory.ts';
import type { FlashImage } from './flash.ts';
import { ImageError } from './loaders/image-error.ts';
import { unpackLinux } from './loaders/linux.ts';
import { loadImage } from './loaders/load.ts';
import { MemoryLayout } from './memory-layout.ts';
import type { MachineOptions, MachineType } from './options.ts';
import { flashRegion } from './rows/flash.ts';
import { writeSmbios } from './smbios.ts';

const FOUR_GIB = 0x1_0000_0000;
const MIB = 0x10_0000;
const PAGE = 0x1000;
const MOST_FIRMWARE = 8 * MIB;
/** The end of a firmware image appears below 1 MiB too, where the processor jumps to first. */
const SHADOW_BYTES = 0x2_0000;

interface Rom {
  base: number;
  image: Uint8Array;
  region: ExtraRegion;
}
interface BootOptions extends MachineOptions {
  flash?: readonly FlashImage[];
}

export class Boot {
  readonly #options: MachineOptions;
  /** The kernel that lay compressed in the image. */
  #unpacked: Uint8Array | undefined;
  /** Firmware, or what flash chips hold: it is put there once, since the guest may change it. */
  readonly #roms: readonly Rom[];
  #areFilled = false;
  /** What happened that the machine's owner may want to know. */
  readonly notes: readonly string[];

  /** Unpacks what is to be unpacked. Throws ImageError where it is damaged, RangeError where there is nothing to boot. */
  static async prepare(options: BootOptions, extra: ExtraMemory): Promise<Boot> {
    const { kernel, bios, flash = [], flat, linuxBoot = 'unpack' } = options;
    if (bios) {
      if (kernel) throw new RangeError('firmware and a kernel exclude each other: the firmware boots what it finds');
      if (flash.length === 0) checkFirmware(bios);
      const roms = flash.map(({ unit, base, bytes }) => ({
        base,
        image: bytes,
        region: extra.region(flashRegion(unit), bytes.length),
      }));
      const whole = { base: FOUR_GIB - bios.length, image: bios, region: extra.region(FIRMWARE_REGION, bios.length) };
      return new Boot(options, roms.length > 0 ? roms : [whole]);
    }
    if (!kernel) throw new RangeError('there is nothing to boot: neither a kernel nor firmware');
    const { unpacked, note } = flat || linuxBoot !== 'unpack' ? {} : await unpackLinux(kernel);
    return new Boot(options, [], unpacked, note ? [note] : []);
  }

  private constructor(
    options: MachineOptions,
    roms: readonly Rom[],
    unpacked?: Uint8Array,
    notes: readonly string[] = [],
  ) {
    this.#options = options;
    this.#roms = roms;
    this.#unpacked = unpacked;
    this.notes = notes;
  }

  /** Puts the guest where it begins, and lets `core`, fresh from reset, stand there. Throws ImageError where RAM is short. */
  load(core: Core, acpi: AcpiBoard): void {
    const { kernel, bios } = this.#options;
    if (bios) this.#loadFirmware(core, bios, acpi.machine);
    else if (kernel) this.#loadKernel(core, acpi, kernel);
    if (!this.#options.reboot) this.#unpacked = undefined;
  }

  /**
   * The image ends below 4 GiB, where the processor fetches first after reset. Its end appears below 1 MiB as well: by the
   * host bridge, and on a machine without one in RAM.
   */
  #loadFirmware(core: Core, bios: Uint8Array, machine: MachineType): void {
    for (const { base, image, region } of this.#roms) {
      if (!this.#areFilled) region.bytes().set(image);
      region.place(base, 'rom');
    }
    this.#areFilled = true;
    if (machine === 'microvm') core.memory.bytes(MIB - SHADOW_BYTES, SHADOW_BYTES).set(bios.subarray(-SHADOW_BYTES));
  }

  #loadKernel(core: Core, acpi: AcpiBoard, kernel: Uint8Array): void {
    const { flat, kernelName = 'kernel', append = '', modules = [], linuxBoot, smbios } = this.#options;
    const { memory } = core;
    const layout = new MemoryLayout(memory.size);
    const commandLine = append === '' ? kernelName : `${kernelName} ${append}`;
    const rsdp = flat ? undefined : writeAcpi(memory, layout, acpi);
    if (!flat) writeSmbios(memory, layout, { ramBytes: memory.size, vcpus: acpi.vcpus, texts: smbios });
    const { hasVga } = acpi;
    const request = { commandLine, append, modules, flat, rsdp, hasVga, unpacked: this.#unpacked, linuxBoot };
    enter(core, layout, loadImage(memory, layout, kernel, request));
  }
}

function checkFirmware({ length }: Uint8Array): void {
  if (length < SHADOW_BYTES || length > MOST_FIRMWARE || length % PAGE !== 0) {
    throw new ImageError(
      `the firmware image has ${length} bytes; ${SHADOW_BYTES} to ${MOST_FIRMWARE} in multiples of ${PAGE} are possible`,
    );
  }
}
