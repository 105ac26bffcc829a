/**
 * Writes every generated file: decode tables, handlers and the interpreter's switch from the opcode table, and the
 * layout of the state block for TypeScript. `--check` only says which files are stale.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { emitEntered } from '../src/isa/gen/emit-entered.ts';
import { emitFeatures } from '../src/isa/gen/emit-features.ts';
import { emitHandlers } from '../src/isa/gen/emit-handlers.ts';
import { emitInterpreter } from '../src/isa/gen/emit-interpreter.ts';
import { emitLayout } from '../src/isa/gen/emit-layout.ts';
import { emitTables } from '../src/isa/gen/emit-tables.ts';
import { emitVmcs } from '../src/isa/gen/emit-vmcs.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const opsFiles = readdirSync(join(root, 'assembly/ops'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort()
  .map((file) => ({ path: file, text: read(join('assembly/ops', file)) }));

const handlers = emitHandlers(opsFiles);
const files: Record<string, string> = {
  'assembly/exec/handlers.gen.ts': handlers.text,
  'assembly/isa/tables.gen.ts': emitTables(handlers.numbers),
  'assembly/exec/interpret.gen.ts': emitInterpreter(),
  'src/features.gen.ts': emitFeatures(handlers.numbers),
  'assembly/vmx/fields.gen.ts': emitVmcs(),
  'assembly/vmx/entered.gen.ts': emitEntered(),
  'src/layout.gen.ts': emitLayout(read('assembly/cpu/state.ts'), read('assembly/cpu/window.ts')),
};

let stale = 0;
for (const [path, text] of Object.entries(files)) {
  const full = join(root, path);
  if (existsSync(full) && readFileSync(full, 'utf8') === text) continue;
  stale++;
  if (process.argv.includes('--check')) console.error(`stale: ${path} (npm run gen writes it)`);
  else {
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    console.log(`wrote ${path}`);
  }
}
if (handlers.missing.length > 0 && process.argv.includes('--check'))
  console.log(`${handlers.missing.length} handlers are not implemented: ${handlers.missing.join(' ')}`);
if (stale > 0 && process.argv.includes('--check')) process.exit(1);
