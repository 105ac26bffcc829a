/** What a machine needs of its host, in Node and in a page: a way to let other events happen, and a stopwatch. */

let channel: MessageChannel | null = null;

/** Resolves after the host handled what waited meanwhile; unlike a timer of 0 ms it costs microseconds. */
export function yieldToHost(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  channel ??= new MessageChannel();
  const { port1, port2 } = channel;
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

/** Host milliseconds, for pacing and reports only: no guest ever sees them. */
export const hostMs = (): number => performance.now();
