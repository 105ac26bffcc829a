/** `vmlaunch/worker` for pages: a machine in a Worker of its own, so that the page stays responsive. */
import { RemoteMachine } from '../worker/machine.ts';
import type { FromThread, Port, ToThread, WorkerMachineOptions } from '../worker/protocol.ts';

export type { WorkerMachineOptions } from '../worker/protocol.ts';

/** What of a page's Worker is used; any that runs `vmlaunch/worker-thread` will do. */
export interface WorkerLike {
  postMessage(message: unknown): void;
  addEventListener(
    type: string, // biome-ignore lint/suspicious/noExplicitAny: pages have their own types of events, and this file must not need them.
    listener: (event: any) => void,
  ): void;
  terminate(): void;
}

export class WorkerMachine extends RemoteMachine {
  /**
   * Makes a machine in a Worker. The Worker is one that the bundler makes of `new URL(.., import.meta.url)`; hand over
   * your own where yours does not know that. Rejects as `Machine.create` does.
   */
  static async create(options: WorkerMachineOptions, { worker }: { worker?: WorkerLike } = {}): Promise<WorkerMachine> {
    const machine = new WorkerMachine(
      portOf(worker ?? new Worker(new URL('./worker-thread.js', import.meta.url), { type: 'module' })),
    );
    await machine.make(options);
    return machine;
  }
}

function portOf(worker: WorkerLike): Port {
  return {
    post: (message: ToThread) => worker.postMessage(message),
    listen: (hear, fail) => {
      worker.addEventListener('message', ({ data }: { data: FromThread }) => hear(data));
      worker.addEventListener('error', ({ message }: { message?: string }) =>
        fail(message ?? 'it could not be loaded'),
      );
    },
    close: () => worker.terminate(),
  };
}
