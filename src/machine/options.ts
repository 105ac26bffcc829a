/** What a machine can be made of, and the checks that say what is wrong with a wish. */
import type { Bus, Core, CoreSource } from '../core/types.ts';
import type { Backends } from '../devices/backends.ts';
import type { FileTree } from '../devices/p9/file-tree.ts';
import type { DeviceSpec } from './board/device-table.ts';
import { isPc, MACHINE_TYPES, type MachineType } from './board/machine-type.ts';
import type { FirmwareWishes } from './firmware/fw-cfg-files.ts';
import type { FlatOptions } from './firmware/loaders/flat.ts';
import type { LinuxBoot } from './firmware/loaders/linux.ts';
import type { BootModule } from './firmware/loaders/multiboot.ts';
import type { Tracer } from './run/tracer.ts';

/** Makes the processor; the library's own by default. */
export type CoreFactory = (options: {
  memoryBytes: number;
  extraBytes?: number;
  bus: Bus;
  cpu?: string;
  source?: CoreSource;
  vcpus?: number;
  id?: number;
  backing?: Core['backing'];
  /** What RDRAND and RDSEED begin with, 64 bits. */
  entropy?: bigint;
}) => Promise<Core>;

export interface MachineOptions extends Backends, FirmwareWishes {
  /** Folders to share by 9P, by their ids. */
  folders?: Readonly<Record<string, FileTree>>;
  /**
   * Makes the guest's entropy a function of this number. Where it is absent the host's generator is asked, or, with the
   * clock of instructions, the seed is 0, so that equal runs are equal.
   */
  seed?: number;
  /** 'pc' where absent. */
  machine?: MachineType;
  /** Bytes, or a text such as '256M'; 128 MiB where absent. */
  memory?: number | string;
  /** A CPU model and its features, as QEMU's -cpu. */
  cpu?: string;
  /** Processors, 1 to 8; 1 where absent. More than one take turns, and need the bytes of a release core. */
  vcpus?: number;
  /** The image to boot: Multiboot 1 or 2, Linux bzImage, ELF32 or ELF64 (by PVH where it has that), or flat with `flat`.
   * Needed where there is no `bios`. */
  kernel?: Uint8Array;
  /** Where a flat image goes and how it is entered. */
  flat?: FlatOptions;
  /** The first word of the kernel's command line; 'kernel' where absent. */
  kernelName?: string;
  /** The rest of the kernel's command line. */
  append?: string;
  modules?: readonly BootModule[];
  /** How a bzImage is booted; 'unpack' where absent: the host unpacks the kernel, which is quicker than the guest. */
  linuxBoot?: LinuxBoot;
  devices?: readonly DeviceSpec[];
  /** 'std', where absent on a pc or q35, is a VGA at PCI slot 2 or 1, as if `devices` began with one. */
  vga?: 'std' | 'none';
  /** Serial ports, 0 to 4; 1 where absent. */
  serialPorts?: number;
  /** Start over after a triple fault or a reset instead of ending the run. */
  reboot?: boolean;
  /** An idle guest with interrupts enabled waits for `send` instead of ending the run, until `closeInput`. */
  waitForInput?: boolean;
  /**
   * What time follows: 'vm' (the default) counts instructions and jumps over idle time, so that equal runs are equal;
   * 'host' keeps up with the host's clock and sleeps while the guest does.
   */
  clock?: 'vm' | 'host';
  /** The date at power-on; 2026-01-01 where absent, so that equal runs see equal dates. */
  date?: Date;
  tracer?: Tracer;
  /** Tell of every VM exit by the event 'vmexit', not only of VM entries that fail. */
  recordExits?: boolean;
  /** The processor module, as bytes or compiled; by default the one that lies beside the library. */
  source?: CoreSource;
  createCore?: CoreFactory;
}

const MIB = 0x10_0000;
const PAGE = 0x1000;
/** Milliseconds since 1970 at power-on, so that equal runs see equal dates. */
export const DEFAULT_DATE = Date.UTC(2026, 0, 1);
const DEFAULT_MEMORY = 128 * MIB;
/** One linear memory of 4 GiB holds guest RAM and the processor's own state. */
export const MAX_MEMORY = 4064 * MIB;
const MAX_SERIAL_PORTS = 4;
/** Where QEMU's boards have it. */
const VGA_SLOT: Readonly<Record<MachineType, string>> = { pc: '2', q35: '1', microvm: '2' };
export const MAX_VCPUS = 8;
const UNITS: Record<string, number> = { '': MIB, B: 1, K: 1024, M: MIB, G: 1024 * MIB, T: 1024 * 1024 * MIB };

/** Bytes of a size in QEMU's notation: '256M', '1G', and '64' for 64 MiB. Throws RangeError where it makes no sense. */
export function parseMemory(size: number | string = DEFAULT_MEMORY): number {
  const bytes = typeof size === 'number' ? size : parseSize(size);
  if (!Number.isInteger(bytes) || bytes < MIB || bytes > MAX_MEMORY || bytes % PAGE !== 0) {
    throw new RangeError(`memory size ${size} is not possible: 1M to ${MAX_MEMORY / MIB}M in whole pages of 4K`);
  }
  return bytes;
}

function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([BKMGT]?)$/i.exec(text.trim());
  if (!match) throw new RangeError(`memory size '${text}' is no number with a suffix of B, K, M, G or T`);
  return Number(match[1]) * UNITS[match[2].toUpperCase()];
}

/** Milliseconds since 1970, so many nanoseconds after power-on. */
export const dateAt = ({ date }: MachineOptions, ns = 0n): number =>
  (date?.getTime() ?? DEFAULT_DATE) + Number(ns) / 1e6;

/** Checks the type of the machine. */
export function checkMachineType(type: MachineType): MachineType {
  if (!MACHINE_TYPES.includes(type)) throw new RangeError(`machine '${type}': there are ${MACHINE_TYPES.join(', ')}`);
  return type;
}

/** Checks the number of serial ports. */
export function checkSerialPorts(count: number): number {
  if (!Number.isInteger(count) || count < 0 || count > MAX_SERIAL_PORTS) {
    throw new RangeError(`${count} serial ports are not possible: 0 to ${MAX_SERIAL_PORTS}`);
  }
  return count;
}

/** Checks the number of processors. */
export function checkVcpus(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > MAX_VCPUS) {
    throw new RangeError(`${count} processors are not possible: 1 to ${MAX_VCPUS}`);
  }
  return count;
}

/** The devices that are asked for, with those that a machine has unless they are declined. */
export function devicesOf({ machine = 'pc', vga, devices = [] }: MachineOptions): readonly DeviceSpec[] {
  const wanted = vga ?? (isPc(machine) && !devices.some(({ type }) => type === 'VGA') ? 'std' : 'none');
  if (wanted !== 'std' && wanted !== 'none') throw new RangeError(`vga '${wanted}' is unknown: there are std and none`);
  return wanted === 'std' ? [{ type: 'VGA', addr: VGA_SLOT[machine] }, ...devices] : devices;
}
