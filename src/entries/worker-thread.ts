/** `vmlaunch/worker-thread`: what runs in the Worker of a page. */
import { setDefaultSource } from '../core/package-source.ts';
import type { FromThread, ToThread } from '../worker/protocol.ts';
import { serveMachine } from '../worker/thread.ts';
import { fetchCore } from './fetch-core.ts';

/** The part of a Worker's scope that is used here; the type library of pages has none. */
interface Scope {
  addEventListener(type: 'message', listener: (event: { data: ToThread }) => void): void;
  postMessage(message: FromThread): void;
}

setDefaultSource(fetchCore);
const scope = globalThis as unknown as Partial<Scope>;
if (scope.addEventListener && scope.postMessage) {
  const hear = serveMachine((message) => scope.postMessage?.(message));
  scope.addEventListener('message', ({ data }) => hear(data));
}
