/** One vCPU in a Worker, for vcpus.test.ts: runs the guest at 0x1000 until both vCPUs have finished. */
import { parentPort, workerData } from 'node:worker_threads';
import { createCore } from '../../src/core/index.ts';
import { Stop } from '../../src/core/types.ts';
import { emptyBus, enterFlat32, startProcessor, takeInterrupts, u32 } from './guest.ts';

const { id, source, backing } = workerData;
const core = await createCore({ memoryBytes: 1 << 20, bus: emptyBus, source, vcpus: 2, id, backing, shared: true });
/** 1: the second processor is there; 2: it was sent INIT and SIPI, and may look. */
const step = core.memory.bytes(0x30c0, 1);
if (id === 0) {
  while (Atomics.load(step, 0) !== 1);
  startProcessor(core, 1);
  Atomics.store(step, 0, 2);
} else {
  Atomics.store(step, 0, 1);
  while (Atomics.load(step, 0) !== 2);
  while (core.run(1) === Stop.WAIT_FOR_SIPI);
}
takeInterrupts(core, 0x40, 0x1800);
enterFlat32(core, 0x1000, 0x8000 + 0x1000 * id);
core.set('rbx', BigInt(id));
let slices = 0;
while (u32(core, 0x3080) < 2 && slices++ < 2_000_000) core.run(1000);
parentPort?.postMessage(u32(core, 0x3080) === 2 ? 'finished' : 'still playing');
