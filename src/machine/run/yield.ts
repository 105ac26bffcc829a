/** What a machine needs of its host, in Node and in a page: a way to let other events happen, and a stopwatch. */

/** Host milliseconds between two turns of the event loop. */
export const TURN_MS = 12;

let channel: MessageChannel | null = null;
/** Who waits for the channel, in order: a page may run several machines. */
const waiting: (() => void)[] = [];

/** Resolves after the host handled what waited meanwhile; unlike a timer of 0 ms it costs microseconds. */
export function yieldToHost(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  if (!channel) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => waiting.shift()?.();
  }
  const { port2 } = channel;
  return new Promise((resolve) => {
    waiting.push(resolve);
    port2.postMessage(null);
  });
}

/** To be awaited between pieces of long work: the host has its turn where it is due. */
export type Rest = () => Promise<void>;

/** For long work outside of a run. */
export function restingHost(): Rest {
  let since = hostMs();
  return async () => {
    if (hostMs() - since < TURN_MS) return;
    await yieldToHost();
    since = hostMs();
  };
}

/** Host milliseconds, for pacing and reports only: no guest ever sees them. */
export const hostMs = (): number => performance.now();
