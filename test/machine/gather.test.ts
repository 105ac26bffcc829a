// What a kernel may be handed over as, how a start is aborted and followed, and the errors by their codes.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ByteSource } from '../../src/machine/host/byte-source.ts';
import { Machine } from '../../src/machine/machine.ts';

const kernel = new Uint8Array(readFileSync(new URL('../../roms/hello.elf', import.meta.url)));
const devices = [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }] as const;
const url = new URL('http://images.example/kernel');
const headers = { 'content-length': String(kernel.length) };

afterEach(() => vi.unstubAllGlobals());

describe('a kernel', () => {
  it.each<[string, () => ByteSource]>([
    ['a Uint8Array', () => kernel],
    ['an ArrayBuffer', () => kernel.slice().buffer],
    ['a Blob', () => new Blob([kernel])],
    ['a Response', () => new Response(kernel)],
    ['a ReadableStream', () => new Blob([kernel]).stream()],
    ['a URL', () => url],
  ])('may be %s', async (_what, source) => {
    vi.stubGlobal('fetch', async () => new Response(kernel, { headers }));
    const machine = await Machine.create({ kernel: source(), devices });
    expect(await machine.run()).toMatchObject({ reason: 'debug-exit' });
  });

  it.each([
    ['a path', '/boot/vmlinuz', /kernel: '\/boot\/vmlinuz' is not a Uint8Array/],
    ['an address as text', 'http://images.example/kernel', /is not a Uint8Array, .* a URL/],
    ['a list', [1, 2, 3], /an array is not a Uint8Array/],
  ])('is refused as %s', async (_what, source, message) => {
    const error = await Machine.create({ kernel: source as never }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'OptionError', code: 'ERR_OPTION', message: expect.stringMatching(message) });
    expect(error).toBeInstanceOf(RangeError);
  });

  it.each([
    ['has none', new Response('', { status: 404, statusText: 'Not Found' }), /kernel: .* answered 404 Not Found/],
    ['sends a page', new Response('<html>', { headers: { 'content-type': 'text/html' } }), /is a page \(text\/html\)/],
  ])('is refused where the server %s', async (_what, response, message) => {
    await expect(Machine.create({ kernel: response })).rejects.toThrow(message);
  });

  it('is heard of while it comes', async () => {
    const progress = vi.fn();
    await Machine.create({ kernel: new Response(kernel, { headers }), devices, progress });
    expect(progress).toHaveBeenLastCalledWith({ what: 'kernel', loaded: kernel.length, total: kernel.length });
  });

  it('whose download is aborted is not waited for', async () => {
    const control = new AbortController();
    const stream = new ReadableStream<Uint8Array>({ pull: () => control.abort(new Error('changed my mind')) });
    await expect(Machine.create({ kernel: stream, signal: control.signal })).rejects.toThrow('changed my mind');
  });
});

describe('options', () => {
  it.each([
    [{ kernel, mem: '1G' }, "there is no 'mem'; did you mean 'memory'?"],
    [{ kernel, initrd: 'initrd.cpio' }, "initrd: 'initrd.cpio' is not a Uint8Array"],
    [{ kernel, signal: 5 }, 'signal: 5 is not an object with the methods addEventListener'],
    [{ kernel, memory: '99G' }, '99G'],
    [undefined, 'undefined is not an object of options'],
  ])('%# are refused in words, with the code ERR_OPTION', async (options, words) => {
    await expect(Machine.create(options as never)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining(words),
    });
  });

  it('take an initial RAM disk as the first module', async () => {
    const image = new Uint8Array(readFileSync(new URL('../../roms/hello.elf', import.meta.url)));
    const machine = await Machine.create({ kernel: image, initrd: new Blob([new Uint8Array(5000).fill(7)]), devices });
    const { memory } = machine.core;
    const found = Buffer.from(memory.bytes(0, memory.size)).indexOf(Buffer.alloc(5000, 7));
    expect(found).toBeGreaterThan(0);
  });
});
