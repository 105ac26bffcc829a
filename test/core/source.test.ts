// What is said where the processor's module is missing, damaged or beyond the host.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CoreError } from '../../src/core/core-error.ts';
import { moduleFor } from '../../src/core/source.ts';
import { fetchCore } from '../../src/entries/fetch-core.ts';
import { bytesOf } from '../../src/entries/unpack-core.ts';

const bytes = new Uint8Array(readFileSync(new URL('../../build/core-test.wasm', import.meta.url)));
const text = (what: string): Uint8Array => new TextEncoder().encode(what);

async function failure(work: Promise<unknown>): Promise<CoreError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CoreError);
  expect(error).toMatchObject({ name: 'CoreError', code: 'ERR_CORE' });
  return error as CoreError;
}

describe("the processor's module", () => {
  it.each([
    ['a Uint8Array', bytes],
    ['an ArrayBuffer', bytes.slice().buffer],
    ['a view into a larger buffer', new Uint8Array([0, ...bytes]).subarray(1)],
  ])('may be %s', async (_what, source) => {
    expect(await moduleFor(source, 0)).toBeInstanceOf(WebAssembly.Module);
  });

  it('that is a page is no module, and the message shows how it begins', async () => {
    const { message } = await failure(moduleFor(text('<!doctype html><html>'), 0));
    expect(message).toContain("begins with '<!doctype html><'");
  });

  it('that is empty is no module', async () => {
    expect((await failure(moduleFor(new Uint8Array(0), 0))).message).toContain('it is empty');
  });

  it('that is cut short is refused by the host, in its own words', async () => {
    await expect(moduleFor(bytes.subarray(0, 1000), 0)).rejects.toBeInstanceOf(WebAssembly.CompileError);
  });

  it('needs SIMD of the host, and says so where there is none', async () => {
    vi.spyOn(WebAssembly, 'compile').mockRejectedValue(new WebAssembly.CompileError("doesn't parse at byte 238"));
    vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
    expect((await failure(moduleFor(bytes, 0))).message).toContain('no WebAssembly SIMD');
  });
});

describe('a page that fetches it', () => {
  const answer = (response: Response): void => {
    vi.stubGlobal('fetch', async () => response);
  };

  it('hands over what the server sends', async () => {
    answer(new Response(bytes));
    expect(Buffer.compare(await fetchCore(), bytes)).toBe(0);
  });

  it.each([
    ['a server that has no such file', new Response('', { status: 404, statusText: 'Not Found' }), '404 Not Found'],
    [
      'a server that sends its start page',
      new Response('<!DOCTYPE html>', { headers: { 'content-type': 'text/html' } }),
      "core.wasm (text/html) is no WebAssembly module: it begins with '<!DOCTYPE html>'",
    ],
  ])('names the address and the way out for %s', async (_what, response, words) => {
    answer(response);
    const { message } = await failure(fetchCore());
    expect(message).toContain('/core.wasm');
    expect(message).toContain(words);
    expect(message).toContain("import 'vmlaunch/inline'");
  });

  it('says that there was no answer', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    expect((await failure(fetchCore())).message).toContain('Failed to fetch');
  });
});

it('the bytes of a text in Z85 are those of the RFC', () => {
  expect(bytesOf('HelloWorld')).toEqual(Uint8Array.of(0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});
