/** The watch over traps of WebAssembly sees them. */
import { expect, it } from 'vitest';
import { takeTraps } from './traps.ts';

/** (module (func (export "run") unreachable)) */
const FAILS = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 7, 1, 3, 0x72, 0x75, 0x6e, 0, 0],
  ...[10, 5, 1, 3, 0, 0, 0x0b],
]);

it.each(['bytes', 'a module'])('a trap that somebody caught is seen, of %s', async (form) => {
  const module = await WebAssembly.compile(FAILS);
  const made =
    form === 'bytes' ? (await WebAssembly.instantiate(FAILS)).instance : await WebAssembly.instantiate(module);
  expect(() => (made.exports.run as () => void)()).toThrow(WebAssembly.RuntimeError);
  expect(takeTraps().map(({ message }) => message)).toEqual(['unreachable']);
});
