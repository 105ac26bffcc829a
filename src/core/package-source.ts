/** Where the package finds the processor's module: each of its entries knows one way, and says it when it is loaded. */

let load: () => Promise<Uint8Array> = () =>
  Promise.reject(new Error("the library was loaded by a file that is no entry of the package; import 'vmlaunch'"));
let loaded: Promise<Uint8Array> | null = null;

/** Makes `source` the one that is asked, once, before the first processor is made. */
export function setDefaultSource(source: () => Promise<Uint8Array>): void {
  load = source;
  loaded = null;
}

/** The module's bytes. A failure is not remembered: the next machine asks again. */
export function defaultSource(): Promise<Uint8Array> {
  loaded ??= load().catch((error: unknown) => {
    loaded = null;
    throw error;
  });
  return loaded;
}
