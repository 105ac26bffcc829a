/**
 * The bench guests on v86, from npm, without a BIOS.
 */
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import {
  benchImage,
  type Engine,
  EXIT_PORT,
  type GuestRun,
  MARK_PORT,
  RAM_BYTES,
  UnitClock,
  type Width,
} from './guest-run.ts';

/** The part of v86's inside that is needed: its port space. */
interface Inside {
  v86: {
    cpu: {
      io: {
        register_write(
          port: number,
          device: object,
          write8: (v: number) => void,
          write16: (v: number) => void,
          write32: (v: number) => void,
        ): void;
      };
    };
  };
}

const WASM = fileURLToPath(import.meta.resolve('v86/build/v86.wasm'));
const GIVE_UP_MS = 120_000;

/** v86 with its translator on or off. */
export function v86Engine(options: { jit: boolean }): Engine {
  return {
    name: options.jit ? 'v86 JIT' : 'v86 interpreter',
    widths: [32],
    run: (width, commandLine) => run(width, commandLine, options.jit),
  };
}

async function run(width: Width, commandLine: string, jit: boolean): Promise<GuestRun> {
  const image = benchImage(width);
  const emulator = new V86({
    wasm_path: WASM,
    memory_size: RAM_BYTES,
    vga_memory_size: 2 << 20,
    multiboot: { buffer: image.buffer as ArrayBuffer },
    cmdline: commandLine,
    acpi: true,
    disable_jit: !jit,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    autostart: false,
  });
  await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', () => resolve()));
  const clock = new UnitClock();
  let output = '';
  emulator.add_listener('serial0-output-byte', (byte: number) => {
    output += String.fromCharCode(byte);
  });
  const { io } = (emulator as unknown as Inside).v86.cpu;
  const ignore = () => {};
  io.register_write(MARK_PORT, {}, (value) => clock.mark(value), ignore, ignore);
  const outcome = await new Promise<'left' | 'hung'>((resolve) => {
    const timer = setTimeout(() => resolve('hung'), GIVE_UP_MS);
    io.register_write(EXIT_PORT, {}, ignore, ignore, () => {
      clearTimeout(timer);
      resolve('left');
    });
    void emulator.run();
  });
  await emulator.destroy();
  if (outcome === 'hung')
    throw new Error(`v86: '${commandLine}' did not end in ${GIVE_UP_MS} ms; it said ${JSON.stringify(output)}`);
  return { units: clock.units, output };
}
