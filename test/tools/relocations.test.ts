// The relocation list of a small AssemblyScript module, found by three builds as for the real core.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRelocations, relocate, SiteKind } from '../../src/core/relocate.ts';
import { buildWasm, WINDOW_BASES, WINDOW_SIZE } from '../../tools/build-wasm.ts';
import { compile } from '../../tools/compile.ts';
import { findRelocations } from '../../tools/relocations.ts';

const PAGE = 0x10000;

const WINDOW_TEXT = `
export const WINDOW: usize = 0x200000;
export const STATIC: usize = WINDOW + 0x180000;
`;

const INDEX_TEXT = `
import { WINDOW } from './cpu/window';

const RIP: usize = WINDOW + 0x123456;
const words: StaticArray<string> = ['one', 'two'];
const text = memory.data<u8>([7, 8, 9]);

export function setRip(value: u64): void { store<u64>(RIP, value); }
export function rip(): u64 { return load<u64>(RIP); }
export function slot(index: u32): u64 { return load<u64>(WINDOW + 0x1000 + (<usize>index << 3)); }
export function setSlot(index: u32, value: u64): void { store<u64>(WINDOW + 0x1000 + (<usize>index << 3), value); }
export function letter(word: i32, index: i32): i32 { return words[word].charCodeAt(index); }
export function byte(index: i32): u8 { return load<u8>(text + index); }
export function window(): usize { return WINDOW; }
export function endOfWindow(): u64 { return <u64>(WINDOW + 0xc00000); }
`;

interface Small {
  setRip(value: bigint): void;
  rip(): bigint;
  slot(index: number): bigint;
  setSlot(index: number, value: bigint): void;
  letter(word: number, index: number): number;
  byte(index: number): number;
  window(): number;
  endOfWindow(): bigint;
}

let root: string;
let bytes: Uint8Array;

function project(index: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'vmlaunch-'));
  mkdirSync(join(dir, 'assembly/cpu'), { recursive: true });
  cpSync(new URL('../../asconfig.json', import.meta.url), join(dir, 'asconfig.json'));
  writeFileSync(join(dir, 'assembly/cpu/window.ts'), WINDOW_TEXT);
  writeFileSync(join(dir, 'assembly/index.ts'), index);
  return dir;
}

function instantiate(module: Uint8Array, memory: WebAssembly.Memory): Small {
  return new WebAssembly.Instance(new WebAssembly.Module(module as BufferSource), { env: { memory } })
    .exports as unknown as Small;
}

beforeAll(async () => {
  root = project(INDEX_TEXT);
  bytes = new Uint8Array(readFileSync(await buildWasm(root, 'release')));
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the relocation list', () => {
  it('relocates a build to what the compiler makes of any other window', async () => {
    const sixth = WINDOW_BASES[0] + 5 * WINDOW_SIZE;
    const list = readRelocations(bytes);
    const compiled = await compile(root, 'release', sixth);
    const moved = relocate(bytes, sixth);
    // The compiled module lacks the list at the end, and asks for more memory in two bytes of its import section.
    const differing = [...compiled.keys()].filter((at) => compiled[at] !== moved[at]);
    expect(list?.sites.length).toBeGreaterThan(5);
    expect(differing.length).toBeLessThanOrEqual(2);
    expect(differing.every((at) => at < 80)).toBe(true);
  });

  it('covers addresses in instructions and addresses in static data', () => {
    const kinds = new Set(readRelocations(bytes)?.sites.map(({ kind }) => kind));
    expect(kinds).toEqual(new Set([SiteKind.LEB, SiteKind.RAW]));
  });

  it('gives two instances in one memory a state of their own', () => {
    const memory = new WebAssembly.Memory({ initial: (WINDOW_BASES[1] + WINDOW_SIZE) / PAGE, maximum: 0x10000 });
    const [one, two] = [instantiate(bytes, memory), instantiate(relocate(bytes, WINDOW_BASES[1]), memory)];
    one.setRip(0x1111n);
    two.setRip(0x2222n);
    one.setSlot(3, 33n);
    two.setSlot(3, 44n);
    expect([one.rip(), two.rip(), one.slot(3), two.slot(3)]).toEqual([0x1111n, 0x2222n, 33n, 44n]);
    expect([one.window(), two.window()]).toEqual([0x200000, 0xe00000]);
    expect([one.endOfWindow(), two.endOfWindow()]).toEqual([0xe00000n, 0x1a00000n]);
    expect([two.letter(1, 1), two.letter(0, 0), two.byte(1)]).toEqual([0x77, 0x6f, 8]);
    expect(new DataView(memory.buffer).getBigUint64(0xe00000 + 0x123456, true)).toBe(0x2222n);
  });

  it('serves the build for shared memory as well', async () => {
    const index = join(root, 'assembly/index.ts');
    writeFileSync(
      index,
      `${INDEX_TEXT}
      export function add(value: u64): u64 { return atomic.add<u64>(WINDOW + 0x2000, value); }`,
    );
    const threads = new Uint8Array(readFileSync(await buildWasm(root, 'threads')));
    const initial = (WINDOW_BASES[1] + WINDOW_SIZE) / PAGE;
    const memory = new WebAssembly.Memory({ initial, maximum: 0x10000, shared: true });
    const one = instantiate(threads, memory) as Small & { add(value: bigint): bigint };
    const two = instantiate(relocate(threads, WINDOW_BASES[1]), memory) as typeof one;
    expect([one.add(5n), one.add(1n), two.add(7n), two.add(0n)]).toEqual([0n, 5n, 0n, 7n]);
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  }, 60_000);

  it('needs no more memory than its own window', () => {
    const memory = new WebAssembly.Memory({ initial: (WINDOW_BASES[0] + WINDOW_SIZE) / PAGE, maximum: 0x10000 });
    expect(instantiate(bytes, memory).window()).toBe(WINDOW_BASES[0]);
  });

  it('is refused where a constant is not window + something', async () => {
    const bad = project(`import { WINDOW } from './cpu/window';
      export function page(): u32 { return WINDOW >> 4; }`);
    try {
      const builds = [];
      for (const window of WINDOW_BASES) builds.push({ window, bytes: await compile(bad, 'release', window) });
      const [a, b, c] = builds;
      expect(() => findRelocations([a, b, c])).toThrow(/not as window \+ constant|differ in size/);
    } finally {
      rmSync(bad, { recursive: true, force: true });
    }
  });
});

describe('relocate', () => {
  it('refuses a window whose addresses need more than four bytes of LEB128', () => {
    expect(() => relocate(bytes, 0x8000000)).toThrow(/outside 0x200000..0x7ffffff/);
    expect(() => relocate(bytes, 0x201000)).toThrow(/0x201000 is not a multiple of 0x10000/);
  });

  it('refuses a module without a list and a file that is not a module', async () => {
    expect(() => relocate(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0), 0xe00000)).toThrow(/no 'vmlaunch.reloc'/);
    expect(() => relocate(new TextEncoder().encode('\x7fELF and so on'), 0xe00000)).toThrow(/not a WebAssembly binary/);
  });
});
