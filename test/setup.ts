/** Before all tests: builds build/core-test.wasm unless it is up to date. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildWasm } from '../tools/build-wasm.ts';

export default async function setup(): Promise<void> {
  const root = resolve(import.meta.dirname, '..');
  if (!existsSync(join(root, 'assembly/index.ts'))) return;
  await buildWasm(root, 'test');
}
