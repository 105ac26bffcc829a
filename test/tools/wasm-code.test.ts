// The check that the interpreter kept its jump table, on a switch that the compiler keeps and on one that it does not.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../tools/compile.ts';
import { readBodies } from '../../tools/wasm-code.ts';

let root: string;

function source(cases: number): string {
  const lines = Array.from(
    { length: cases },
    (_, i) => `case ${i}: store<u64>(${8 * i}, load<u64>(${8 * i + 3}) + n); return;`,
  );
  return `import { WINDOW } from './cpu/window';
    export function window(): usize { return WINDOW; }
    export function interpret(kind: i32, n: u64): void { switch (kind) { ${lines.join('\n')} } }`;
}

async function widest(cases: number): Promise<number> {
  writeFileSync(join(root, 'assembly/index.ts'), source(cases));
  return Math.max(...readBodies(await compile(root, 'test')).map(({ widestTable }) => widestTable));
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'vmlaunch-'));
  mkdirSync(join(root, 'assembly/cpu'), { recursive: true });
  cpSync(new URL('../../asconfig.json', import.meta.url), join(root, 'asconfig.json'));
  const text = 'export const WINDOW: usize = 0x200000;\nexport const STATIC: usize = WINDOW + 0x180000;\n';
  writeFileSync(join(root, 'assembly/cpu/window.ts'), text);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the widest br_table', () => {
  it('of a switch with 300 cases has about 300 targets', async () => {
    const targets = await widest(300);
    expect(targets).toBeGreaterThanOrEqual(299);
    expect(targets).toBeLessThanOrEqual(301);
  });

  it('of a switch with 1500 cases is missing, as the optimiser gives up', async () => {
    expect(await widest(1500)).toBeLessThan(100);
  });
});
