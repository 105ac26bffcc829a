/**
 * A processor wired up for vectors.
 */
import { createCore } from '../core.ts';
import { SANDBOX_RAM } from './layout.ts';
import { SandboxBus, VectorRunner } from './runner.ts';

const ROUND = 1 << 20;

/** Makes a processor with its own small RAM and a runner on it. */
export async function createVectorRunner(): Promise<VectorRunner> {
  const bus = new SandboxBus();
  const memoryBytes = Math.ceil(SANDBOX_RAM / ROUND) * ROUND;
  const core = await createCore({ bus, memoryBytes });
  return new VectorRunner(core, bus);
}
