/** What the guest is started with: prepared once, put into RAM at every power-on. */
import type { Core } from '../core-types.ts';
import { writeAcpi } from './acpi.ts';
import { enter } from './boot-state.ts';
import type { AcpiBoard } from './dsdt.ts';
import { unpackLinux } from './loaders/linux.ts';
import { loadImage } from './loaders/load.ts';
import { MemoryLayout } from './memory-layout.ts';
import type { MachineOptions } from './options.ts';

export class Boot {
  readonly #options: MachineOptions;
  /** The kernel that lay compressed in the image. */
  #unpacked: Uint8Array | undefined;
  /** What happened that the machine's owner may want to know. */
  readonly notes: readonly string[];

  /** Unpacks what is to be unpacked. Throws ImageError where it is damaged. */
  static async prepare(options: MachineOptions): Promise<Boot> {
    const { kernel, flat, linuxBoot = 'unpack' } = options;
    const { unpacked, note } = flat || linuxBoot !== 'unpack' ? {} : await unpackLinux(kernel);
    return new Boot(options, unpacked, note ? [note] : []);
  }

  private constructor(options: MachineOptions, unpacked: Uint8Array | undefined, notes: readonly string[]) {
    this.#options = options;
    this.#unpacked = unpacked;
    this.notes = notes;
  }

  /** Loads the image and lets `core`, fresh from reset, stand where it begins. Throws ImageError where RAM is short. */
  load(core: Core, acpi: AcpiBoard): void {
    const { kernel, flat, kernelName = 'kernel', append = '', modules = [], linuxBoot, reboot } = this.#options;
    const { memory } = core;
    const layout = new MemoryLayout(memory.size);
    const commandLine = append === '' ? kernelName : `${kernelName} ${append}`;
    const rsdp = flat ? undefined : writeAcpi(memory, layout, acpi);
    const request = { commandLine, append, modules, flat, rsdp, unpacked: this.#unpacked, linuxBoot };
    enter(core, layout, loadImage(memory, layout, kernel, request));
    if (!reboot) this.#unpacked = undefined;
  }
}
