/** What a command line asks for, as plain values. */
import type { ExitBreak } from '../index.ts';
import type { DeviceRequest } from '../machine/board/device-table.ts';
import type { MachineType } from '../machine/board/machine-type.ts';
import type { LinuxBoot } from '../machine/firmware/loaders/linux.ts';
import type { BackendRequest } from './backends.ts';
import type { FlatImage } from './devices.ts';
import type { FirmwareOptions } from './firmware.ts';
import type { DumpRequest } from './netdevs.ts';

/** Where the output of a serial port or of port 0xe9 goes. */
export type Sink = { kind: 'stdio' } | { kind: 'none' } | { kind: 'file'; path: string };

export const TRACE_ITEMS = ['in_asm', 'int', 'exec', 'vmexit'] as const;
export type TraceItem = (typeof TRACE_ITEMS)[number];

export interface RunOptions {
  kernel?: string;
  /** What the guest is told as the kernel's name instead of its path. */
  kernelName?: string;
  /** The hypervisor of the package runs, because nothing else was named. */
  isDemo?: boolean;
  flat?: FlatImage;
  append?: string;
  /** Module files with their arguments. */
  modules: { path: string; commandLine: string }[];
  linuxBoot?: LinuxBoot;
  firmware: FirmwareOptions;
  memory?: string;
  cpu?: string;
  vcpus?: number;
  machine?: MachineType;
  devices: DeviceRequest[];
  backends: BackendRequest[];
  /** The card and the network of -net, by their properties. */
  hub: { card?: readonly string[]; user?: readonly string[] };
  /** Networks to be written down. */
  dumps: DumpRequest[];
  serial: Sink[];
  debugcon: Sink;
  nographic: boolean;
  vga?: 'std' | 'none';
  reboot: boolean;
  date?: Date;
  clock?: 'vm' | 'host';
  /** What is written to disks is forgotten. */
  temporaryDisks?: boolean;
  trace: TraceItem[];
  traceFile?: string;
  report: boolean;
  /** Print the table of VM exits at the end; the current VMCS. */
  stat: boolean;
  vmcs: boolean;
  /** The table as JSON, in this file if it has one, else on the standard output. */
  json: boolean;
  jsonFile?: string;
  /** The VM exit that ends the run. */
  exit?: ExitBreak;
  limit?: number;
  /** Seconds of the host after which the run ends. */
  timeout?: number;
  /** Where the process leaves its number. */
  pidFile?: string;
  /** QEMU's letters of what boots first: c for disks, d for the image of -cdrom. */
  bootOrder?: string;
  /** The image of -cdrom, by the id of its drive. */
  cdrom?: string;
  /** Where the picture of the screen goes at the end. */
  screenshot?: string;
  /** The screen is drawn on the terminal. */
  curses?: boolean;
  /** What was accepted and has no effect, or another one than in QEMU: to be told. */
  notes: string[];
  /** What somebody asked about, to be said instead of a run. */
  help?: string;
}

/** Options before anything is asked for. */
export const noOptions = (): RunOptions => ({
  modules: [],
  firmware: { fwCfg: [], smbios: {} },
  devices: [],
  backends: [],
  hub: {},
  dumps: [],
  serial: [],
  debugcon: { kind: 'stdio' },
  nographic: false,
  reboot: true,
  trace: [],
  report: false,
  stat: false,
  vmcs: false,
  json: false,
  notes: [],
});

/** Reads the value of an option. */
export type Handler = (options: RunOptions, value: string) => void;
