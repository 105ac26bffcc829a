/** What runs if the command line names nothing: the hypervisor that comes with the package, and what its guest cost. */
import { createRequire } from 'node:module';
import type { RunOptions } from './options.ts';

const EXIT_PORT = 0xf4;

/** Fills in the hypervisor of the package, the port it leaves by and the table of VM exits. */
export function demo(options: RunOptions): RunOptions {
  return {
    ...options,
    isDemo: true,
    kernel: createRequire(import.meta.url).resolve('vmlaunch/roms/vmx-ept.elf'),
    kernelName: 'vmx-ept.elf',
    devices: [...options.devices, { type: 'isa-debug-exit', iobase: EXIT_PORT, iosize: 4 }],
    stat: true,
    report: true,
    reboot: false,
  };
}
