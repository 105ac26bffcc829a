/**
 * A processor wired up for vectors.
 */
import { type CoreOptions, createCore } from '../core/index.ts';
import { SANDBOX_RAM } from './layout.ts';
import { SandboxBus, VectorRunner } from './runner.ts';

const ROUND = 1 << 20;

/** Makes a processor of the model `cpu` (as `-cpu` says it), of another core if `source` is one, and a runner on it. */
export async function createVectorRunner(cpu = 'max', source?: CoreOptions['source']): Promise<VectorRunner> {
  const bus = new SandboxBus();
  const memoryBytes = Math.ceil(SANDBOX_RAM / ROUND) * ROUND;
  const core = await createCore({ bus, memoryBytes, cpu, source });
  return new VectorRunner(core, bus);
}
