/**
 * Makes the committed subset of the instruction vectors: of every form its first case and every k-th after it.
 *
 *   node tools/vector-subset.ts K OUTPUT-FOLDER FILE.vec.gz..
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { excludedIndices, parseExclusions } from '../src/vectors/exclusions.ts';
import { COUNT_OFFSET, openVectors } from '../src/vectors/reader.ts';

const LIST = new URL('../test/vectors/amd-only.json', import.meta.url);

/** The subset of one file, as a file of the same format. */
function subset(
  bytes: Uint8Array,
  name: string,
  step: number,
  exclude: ReadonlySet<number>,
): { bytes: Buffer; count: number } {
  const file = openVectors(bytes, name);
  const seen = new Map<string, number>();
  const parts: Uint8Array[] = [];
  for (const c of file.cases()) {
    if (exclude.has(c.index)) continue;
    const nth = seen.get(c.form) ?? 0;
    seen.set(c.form, nth + 1);
    if (nth % step === 0) parts.push(c.raw);
  }
  const header = Buffer.from(file.header);
  header.writeUInt32LE(parts.length, COUNT_OFFSET);
  return { bytes: gzipSync(Buffer.concat([header, ...parts]), { level: 9 }), count: parts.length };
}

const [stepText, folder, ...files] = process.argv.slice(2);
const step = Number(stepText);
if (!(Number.isInteger(step) && step >= 1) || files.length === 0) {
  console.error('usage: node tools/vector-subset.ts K OUTPUT-FOLDER FILE.vec.gz..');
  process.exit(1);
}
const exclusions = parseExclusions(readFileSync(LIST, 'utf8'), 'test/vectors/amd-only.json');
mkdirSync(folder, { recursive: true });
let [total, size] = [0, 0];
for (const path of files) {
  const name = basename(path);
  const made = subset(readFileSync(path), name, step, excludedIndices(exclusions, name));
  writeFileSync(join(folder, name), made.bytes);
  total += made.count;
  size += made.bytes.length;
}
console.log(`${total} cases, ${size} bytes`);
