/** `vmlaunch/worker` for Node, bun and deno: a machine in a Worker of its own. */
import { Worker } from 'node:worker_threads';
import { RemoteMachine } from '../worker/machine.ts';
import type { FromThread, Port, ToThread, WorkerMachineOptions } from '../worker/protocol.ts';

export class WorkerMachine extends RemoteMachine {
  /** Makes a machine in a Worker. Rejects as `Machine.create` does. */
  static async create(
    options: WorkerMachineOptions,
    { worker = new Worker(new URL('./worker-thread.node.js', import.meta.url)) }: { worker?: Worker } = {},
  ): Promise<WorkerMachine> {
    const machine = new WorkerMachine(portOf(worker));
    await machine.make(options);
    return machine;
  }
}

function portOf(worker: Worker): Port {
  return {
    post: (message: ToThread) => worker.postMessage(message),
    listen: (hear, fail) => {
      worker.on('message', (message: FromThread) => hear(message));
      worker.on('error', ({ message }: Error) => fail(message));
    },
    close: () => void worker.terminate(),
  };
}
