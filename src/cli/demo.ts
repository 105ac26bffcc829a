/** What runs when nobody says what to run: the guest that comes with the package, and a report at its end. */
import { fileURLToPath } from 'node:url';
import type { RunOptions } from './options.ts';

const EXIT_PORT = 0xf4;

/** Fills in the guest of the package, the port it leaves by and the report. */
export function demo(options: RunOptions): RunOptions {
  return {
    ...options,
    kernel: fileURLToPath(new URL('../../roms/hello.elf', import.meta.url)),
    devices: [...options.devices, { type: 'isa-debug-exit', iobase: EXIT_PORT, iosize: 4 }],
    report: true,
    reboot: false,
  };
}
