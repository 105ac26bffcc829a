/**
 * The processor's module, from what the embedder or the package hands over to what can be instantiated. All that can be
 * wrong with it is said here, in words: a server that has no such file, a page in its place, a host without SIMD.
 */
import { CoreError } from './core-error.ts';
import { defaultSource } from './default-source.ts';
import { LAYOUT } from './layout.gen.ts';
import { relocate } from './relocate.ts';
import type { CoreSource } from './types.ts';

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** `(func (result v128) i32.const 0 i8x16.splat)`: valid wherever there are vectors of 128 bits. */
const SIMD_PROBE = [
  ...MAGIC,
  ...[1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 8, 1, 6, 0, 0x41, 0, 0xfd, 15, 11],
];
const SHOWN_BYTES = 16;

const startsWithMagic = (bytes: Uint8Array): boolean => MAGIC.every((byte, at) => bytes[at] === byte);

/** Throws CoreError where the bytes that came from `where` are no WebAssembly module, and says what they look like. */
export function checkModuleBytes(bytes: Uint8Array, where: string, hint: string): void {
  if (startsWithMagic(bytes)) return;
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, SHOWN_BYTES));
  const printable = text.replace(/[^\x20-\x7e]/g, '.');
  const what = bytes.length === 0 ? 'is empty' : `begins with '${printable}'`;
  throw new CoreError(`the processor from ${where} is no WebAssembly module: it ${what}; ${hint}`);
}

/** The module for vCPU `id`: the constants of its window are compiled in. */
export async function moduleFor(source: CoreSource | undefined, id: number): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) {
    if (id > 0)
      throw new TypeError(`vCPU ${id} needs the bytes of the core: a compiled module has the window of vCPU 0`);
    return source;
  }
  let bytes = asBytes(source ?? (await defaultSource()));
  checkModuleBytes(bytes, source ? "the option 'source'" : 'the package', 'give the bytes of core.wasm');
  if (id > 0) bytes = relocate(new Uint8Array(bytes), LAYOUT.WINDOW + id * LAYOUT.WINDOW_SIZE);
  try {
    return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    if (WebAssembly.validate(new Uint8Array(SIMD_PROBE))) throw error;
    const why = 'this host has no WebAssembly SIMD, which the processor needs (is its JIT compiler switched off?)';
    throw new CoreError(why, { cause: error });
  }
}

/** A view of bytes, of this realm or another. */
function asBytes(source: CoreSource): Uint8Array {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return new Uint8Array(source as ArrayBuffer);
}
