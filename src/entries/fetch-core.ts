/** Lets a page fetch the processor. `core.wasm` lies beside the built file, and bundlers know this way to name an asset. */
import { CoreError } from '../core/core-error.ts';
import { checkModuleBytes } from '../core/source.ts';

const HINT =
  "serve the package's dist/core.wasm there, or import 'vmlaunch/inline', or hand its bytes over as the option 'source'";

export async function fetchCore(): Promise<Uint8Array> {
  const url = new URL('./core.wasm', import.meta.url);
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new CoreError(`cannot fetch the processor from ${url}: ${(error as Error).message}; ${HINT}`, {
      cause: error,
    });
  }
  const { ok, status, statusText, headers } = response;
  if (!ok) throw new CoreError(`cannot fetch the processor from ${url}: ${status} ${statusText}; ${HINT}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  checkModuleBytes(bytes, `${url} (${headers.get('content-type') ?? 'of no content type'})`, HINT);
  return bytes;
}
