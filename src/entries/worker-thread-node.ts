/** What runs in the Worker of `vmlaunch/worker` in Node. */
import { parentPort } from 'node:worker_threads';
import { setDefaultSource } from '../core/package-source.ts';
import type { ToThread } from '../worker/protocol.ts';
import { serveMachine } from '../worker/thread.ts';
import { readCore } from './read-core.ts';

setDefaultSource(readCore);
if (parentPort) {
  const port = parentPort;
  const hear = serveMachine((message) => port.postMessage(message));
  port.on('message', (message: ToThread) => hear(message));
}
