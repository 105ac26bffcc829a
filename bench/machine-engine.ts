/**
 * The bench guests on our own machine, with the release build of the processor.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createCore } from '../src/core/index.ts';
import type { Bus, Core } from '../src/core/types.ts';
import { Machine } from '../src/index.ts';
import { benchImage, type Engine, EXIT_PORT, type GuestRun, MARK_PORT, RAM_BYTES, UnitClock } from './guest-run.ts';

const RELEASE = fileURLToPath(new URL('../build/core.wasm', import.meta.url));
const INSTRUCTION_LIMIT = 20e9;

/** Our interpreter, on an image other than the usual where `image` gives one. Throws where the release build is missing. */
export function machineEngine(image?: Uint8Array): Engine {
  if (!existsSync(RELEASE)) throw new Error('build/core.wasm is missing: npm run build makes it');
  const source = new WebAssembly.Module(readFileSync(RELEASE));
  return {
    name: 'vmlaunch',
    widths: image ? [64] : [32, 64],
    run: (width, commandLine) => run(source, image ?? benchImage(width), commandLine),
  };
}

async function run(source: WebAssembly.Module, kernel: Uint8Array, commandLine: string): Promise<GuestRun> {
  let core: Core | undefined;
  const clock = new UnitClock(() => core?.retired ?? 0);
  const machine = await Machine.create({
    kernel,
    memory: RAM_BYTES,
    append: commandLine,
    devices: [{ type: 'isa-debug-exit', iobase: EXIT_PORT, iosize: 4 }],
    source,
    createCore: async (options) => {
      core = await createCore({ ...options, bus: markedBus(options.bus, clock) });
      return core;
    },
  });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  const outcome = await machine.run({ instructions: INSTRUCTION_LIMIT });
  if (outcome.reason === 'debug-exit') return { units: clock.units, output };
  throw new Error(`vmlaunch: '${commandLine}' ended as ${JSON.stringify(outcome)}; it said ${JSON.stringify(output)}`);
}

/** The board's bus with the bench's mark port added. */
function markedBus(bus: Bus, clock: UnitClock): Bus {
  return {
    portIn: (port, size) => bus.portIn(port, size),
    portOut: (port, size, value) => {
      if (port === MARK_PORT) clock.mark(value);
      else bus.portOut(port, size, value);
    },
    mmioRead: (pa, size) => bus.mmioRead(pa, size),
    mmioWrite: (pa, size, value) => bus.mmioWrite(pa, size, value),
    interruptAcknowledge: () => bus.interruptAcknowledge(),
  };
}
