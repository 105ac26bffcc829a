/** What the guest is started with, prepared once and put in place at every power-on: a kernel in RAM, or firmware. */
import type { Core } from '../../core/types.ts';
import type { ExtraMemory, ExtraRegion } from '../board/extra-memory.ts';
import { type FlashImage, flashRegion } from '../board/flash.ts';
import { isPc, type MachineType } from '../board/machine-type.ts';
import { MOST_LOW_ROM } from '../board/shadow-memory.ts';
import type { MachineOptions } from '../options.ts';
import { restingHost } from '../run/yield.ts';
import { writeAcpi } from './acpi.ts';
import type { AcpiBoard } from './acpi-board.ts';
import type { FirmwareBoard } from './bios-data.ts';
import { enter } from './boot-state.ts';
import { ImageError } from './loaders/image-error.ts';
import { unpackLinux } from './loaders/linux.ts';
import { loadImage } from './loaders/load.ts';
import { MemoryLayout } from './memory-layout.ts';
import { placeFirmware } from './place.ts';
import { writeSmbios } from './smbios.ts';

const FOUR_GIB = 0x1_0000_0000;
const MIB = 0x10_0000;
const PAGE = 0x1000;
const MOST_FIRMWARE = 8 * MIB;
const LEAST_FIRMWARE = 0x1_0000;

/** What is asked of the board when a guest is put in place. */
export interface BootBoard {
  readonly acpi: AcpiBoard;
  readonly firmware: FirmwareBoard;
  /** Starts the timer at its 18.2 ticks a second, as a BIOS does. */
  startTicks(): void;
}

interface Rom {
  base: number;
  image: Uint8Array;
  region: ExtraRegion;
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

  /** Unpacks what is to be unpacked. Throws ImageError if it is damaged, RangeError if there is nothing to boot. */
  static async prepare(
    asked: MachineOptions,
    flash: readonly FlashImage[],
    extra: ExtraMemory,
    memoryBytes: number,
  ): Promise<Boot> {
    if (asked.bios && flash.length > 0)
      throw new RangeError('bios and pflash exclude each other: the processor starts in one of them');
    // The processor starts in the first chip as it would in `bios`.
    const options = flash.length > 0 ? { ...asked, bios: flash[0].bytes } : asked;
    const { kernel, bios, flat, linuxBoot = 'unpack', devices = [] } = options;
    if (bios) {
      if (kernel) throw new RangeError('firmware and a kernel exclude each other: the firmware boots what it finds');
      if (flash.length === 0) checkFirmware(bios);
      const images = flash.length > 0 ? flash : [{ unit: 0, base: FOUR_GIB - bios.length, bytes: bios }];
      const roms = images.map(({ unit, base, bytes }) => ({
        base,
        image: bytes,
        region: extra.region(flashRegion(unit), bytes.length),
      }));
      return new Boot(options, roms);
    }
    if (!kernel) {
      if (devices.some((device) => 'drive' in device)) return new Boot(options, []);
      throw new RangeError('there is nothing to boot: neither a kernel nor firmware, nor a disk');
    }
    const limits = { mostBytes: memoryBytes, rest: restingHost() };
    const { unpacked, note } = flat || linuxBoot !== 'unpack' ? {} : await unpackLinux(kernel, limits);
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

  /** The firmware that the processor starts in; null for our own. */
  get rom(): ExtraRegion | null {
    return this.#roms[0]?.region ?? null;
  }

  /** Puts the guest where it begins, and lets `core`, fresh from reset, stand there. Throws ImageError if RAM is short. */
  load(core: Core, board: BootBoard): void {
    const { bios } = this.#options;
    if (bios) this.#loadFirmware(core, bios, board.acpi.machine);
    else this.#loadGuest(core, board);
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
    if (isPc(machine)) return;
    const low = bios.subarray(-Math.min(bios.length, MOST_LOW_ROM));
    core.memory.bytes(MIB - low.length, low.length).set(low);
  }

  #loadGuest(core: Core, board: BootBoard): void {
    const { kernel, flat, kernelName = 'kernel', append = '', modules = [], linuxBoot, smbios } = this.#options;
    const { acpi } = board;
    const { memory } = core;
    const layout = new MemoryLayout(memory.size);
    const commandLine = append === '' ? kernelName : `${kernelName} ${append}`;
    const rsdp = flat ? undefined : writeAcpi(memory, layout, acpi);
    if (!flat) writeSmbios(memory, layout, { ramBytes: memory.size, vcpus: acpi.vcpus, texts: smbios });
    const { hasVga } = acpi;
    const request = { commandLine, append, modules, flat, rsdp, hasVga, unpacked: this.#unpacked, linuxBoot };
    const image = kernel && loadImage(memory, layout, kernel, request);
    // Bytes that begin in protected mode where they were told to know of no firmware.
    const disk =
      flat && flat.mode !== 16
        ? null
        : placeFirmware(memory, layout, { board: board.firmware, mp: image?.knowsAcpi ? undefined : acpi });
    const state = image ?? disk;
    if (!state) throw new RangeError('the firmware found no room');
    if (state.mode === 16 && !flat) board.startTicks();
    enter(core, layout, state);
  }
}

function checkFirmware({ length }: Uint8Array): void {
  if (length < LEAST_FIRMWARE || length > MOST_FIRMWARE || length % PAGE !== 0) {
    throw new ImageError(
      `the firmware image has ${length} bytes; ${LEAST_FIRMWARE} to ${MOST_FIRMWARE} in multiples of ${PAGE} are possible`,
    );
  }
}
