/** One vCPU in a Worker, for vcpus.test.ts: runs the player guest until both vCPUs have finished. */
import { parentPort, workerData } from 'node:worker_threads';
import { createCore } from '../../src/core.ts';
import { emptyBus, enterFlat32, u32 } from './guest.ts';

const { id, source, backing } = workerData;
const core = await createCore({ memoryBytes: 1 << 20, bus: emptyBus, source, vcpus: 2, id, backing, shared: true });
enterFlat32(core, 0x1000, 0x8000 + 0x1000 * id);
core.set('rbx', BigInt(id));
let slices = 0;
while (u32(core, 0x3080) < 2 && slices++ < 2_000_000) core.run(1000);
parentPort?.postMessage(u32(core, 0x3080) === 2 ? 'finished' : 'still playing');
