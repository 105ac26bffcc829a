/** Lets Node, bun and deno read the processor from the file beside the built one. */
import { readFile } from 'node:fs/promises';
import { CoreError } from '../core/core-error.ts';

export async function readCore(): Promise<Uint8Array> {
  const url = new URL('./core.wasm', import.meta.url);
  try {
    return await readFile(url);
  } catch (error) {
    const what = `cannot read the processor: ${(error as Error).message}`;
    throw new CoreError(`${what}; hand its bytes over as the option 'source', or import 'vmlaunch/inline'`, {
      cause: error,
    });
  }
}
