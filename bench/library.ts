/**
 * How fast is the TypeScript around the processor, where users wait for it? Decoding and printing instructions (traces),
 * reading vectors (tests). Operations a second, by benny.
 *
 * What would make the numbers a lie: one operation is a whole batch, its size is in the name; the batches come from the
 * committed files, so they change with them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import benny from 'benny';
import { decode } from '../src/isa/decode.ts';
import { disassemble } from '../src/isa/disasm.ts';
import { openVectors } from '../src/recorded/reader.ts';

const BATCH = 1000;
const FILE = fileURLToPath(new URL('../test/recorded/data/int-alu-64.vec.gz', import.meta.url));

/** Runs the suite; benny prints it. */
export async function benchLibrary(): Promise<void> {
  const vectors = readFileSync(FILE);
  const codes: Uint8Array[] = [];
  for (const c of openVectors(vectors, FILE).cases()) if (codes.length < BATCH) codes.push(c.code.slice());
  await benny.suite(
    'The library',
    benny.add(`decode ${BATCH} instructions`, () => {
      for (const code of codes) decode(code, { mode: 64 });
    }),
    benny.add(`disassemble ${BATCH} instructions`, () => {
      for (const code of codes) disassemble(code, { mode: 64 });
    }),
    benny.add('read the int-alu-64 vectors', () => {
      Array.from(openVectors(vectors, FILE).cases());
    }),
    benny.cycle(),
    benny.complete(),
  );
}
