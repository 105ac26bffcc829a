// The data section of releases, on a small module that keeps its handlers as the processor does.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sections } from '../../src/core/relocate.ts';
import { compile, readConfig } from '../../tools/compile.ts';

const HANDLERS = 300;
const WINDOW = 0x200000;
const STATIC = WINDOW + 0x180000;
const DATA_SECTION = 11;

interface Small {
  memory: WebAssembly.Memory;
  call(n: number): number;
  ask(): number;
  table(): number;
}

let root: string;

function source(): string {
  const numbers = Array.from({ length: HANDLERS }, (_, n) => n);
  return `import { WINDOW } from './cpu/window';
    ${numbers.map((n) => `function h${n}(): i32 { return ${n * n}; }`).join('\n')}
    const handlers: StaticArray<() => i32> = [${numbers.map((n) => `h${n}`).join(', ')}];
    const bytes = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 9, 0, 0, 0, 0]);
    function lonely(): i32 { return 77; }
    let other: () => i32 = lonely;
    export function call(n: u32): i32 { return call_indirect<i32>(load<u32>(changetype<usize>(handlers[0])) + n); }
    export function ask(): i32 { return other(); }
    export function table(): usize { return WINDOW == 0 ? 0 : bytes; }`;
}

async function build(target: string): Promise<{ size: number; wasm: Small; memory: Uint8Array }> {
  const bytes = await compile(root, target);
  const memory = new WebAssembly.Memory({ initial: 1568, maximum: 65536 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), { env: { memory } });
  const data = sections(bytes).find(({ id }) => id === DATA_SECTION)!;
  return {
    size: data.end - data.start,
    wasm: instance.exports as unknown as Small,
    memory: new Uint8Array(memory.buffer),
  };
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'vmlaunch-'));
  mkdirSync(join(root, 'assembly/cpu'), { recursive: true });
  cpSync(new URL('../../asconfig.json', import.meta.url), join(root, 'asconfig.json'));
  const text = `export const WINDOW: usize = ${WINDOW};\nexport const STATIC: usize = WINDOW + 0x180000;\n`;
  writeFileSync(join(root, 'assembly/cpu/window.ts'), text.replace(String(WINDOW), `0x${WINDOW.toString(16)}`));
  writeFileSync(join(root, 'assembly/index.ts'), source());
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the data section of a release', () => {
  it('has no handler but the first, and every handler is called by its distance from that', async () => {
    const plain = await build('test');
    const release = await build('release');
    expect(plain.size).toBeGreaterThan(HANDLERS * 30);
    expect(release.size).toBeLessThan(400);
    for (const n of [0, 1, HANDLERS - 1]) expect(release.wasm.call(n)).toBe(n * n);
  });

  it('keeps every other byte of static memory', async () => {
    const { wasm, memory } = await build('release');
    expect(wasm.ask()).toBe(77);
    expect(wasm.table()).toBeGreaterThanOrEqual(STATIC);
    const bytes = memory.subarray(wasm.table(), wasm.table() + 20);
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 9, 0, 0, 0, 0]);
  });
});

describe('functions that stay out of line', () => {
  it('are all functions of the processor', () => {
    const checkout = join(import.meta.dirname, '../..');
    for (const name of readConfig(checkout).outOfLine ?? []) {
      const file = join(checkout, `${name.slice(0, name.lastIndexOf('/'))}.ts`);
      const found =
        existsSync(file) && readFileSync(file, 'utf8').includes(`function ${name.slice(name.lastIndexOf('/') + 1)}`);
      expect([name, found]).toEqual([name, true]);
    }
  });
});
