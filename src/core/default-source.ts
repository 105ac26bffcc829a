/**
 * Where the processor's module comes from if nobody hands one over. In a checkout it is the core that tests build; in the
 * package this file's place is taken by `package-source.ts` (tools/package-sources.ts).
 */
export async function defaultSource(): Promise<Uint8Array> {
  const { readFile } = await import('node:fs/promises');
  return readFile(new URL('../../build/core-test.wasm', import.meta.url));
}
