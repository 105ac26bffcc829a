/**
 * No trap of WebAssembly stays unseen: a RuntimeError is a bug of the processor, and the test in which one came fails even
 * if the code between caught it. The exports of every processor that a test file makes are wrapped.
 */
import { afterEach } from 'vitest';

const traps: WebAssembly.RuntimeError[] = [];

/** A function that notes the traps of `f`, and lets them pass. */
function watched(f: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...args) => {
    try {
      return f(...args);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) traps.push(error);
      throw error;
    }
  };
}

/** A processor is an instance that exports `run`. */
function watch(instance: WebAssembly.Instance): WebAssembly.Instance {
  if (!('run' in instance.exports)) return instance;
  const exports = Object.fromEntries(
    Object.entries(instance.exports).map(([name, value]) => [
      name,
      typeof value === 'function' ? watched(value as never) : value,
    ]),
  );
  return Object.create(WebAssembly.Instance.prototype, { exports: { value: exports } });
}

const instantiate = WebAssembly.instantiate as (source: unknown, imports: unknown) => Promise<unknown>;
WebAssembly.instantiate = (async (source: unknown, imports: unknown) => {
  const made = await instantiate(source, imports);
  if (made instanceof WebAssembly.Instance) return watch(made);
  const { module, instance } = made as WebAssembly.WebAssemblyInstantiatedSource;
  return { module, instance: watch(instance) };
}) as typeof WebAssembly.instantiate;

/** Takes what came so far: for the test of this file alone. */
export function takeTraps(): WebAssembly.RuntimeError[] {
  return traps.splice(0);
}

afterEach(() => {
  const [trap] = takeTraps();
  if (trap) throw new Error(`the processor trapped: ${trap.message}`, { cause: trap });
});
