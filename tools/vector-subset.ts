/**
 * Makes the committed subset of the instruction vectors: of every form its first case and every fourth after it.
 *
 *   tsx tools/vector-subset.ts OUTPUT-FOLDER FILE.vec.gz..
 *
 * To be run again whenever test/vectors/amd-only.json changes: the listed cases are not in the subset.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { excludedIndices, parseExclusions } from '../src/vectors/exclusions.ts';
import { COUNT_OFFSET, openVectors, type VectorFile } from '../src/vectors/reader.ts';

const LIST = new URL('../test/vectors/amd-only.json', import.meta.url);

const STEP = 4;

/** The subset of one file, as a file of the same format, not compressed. */
export function subsetOf(file: VectorFile, exclude: ReadonlySet<number>): Buffer {
  const seen = new Map<string, number>();
  const parts: Uint8Array[] = [];
  for (const c of file.cases()) {
    if (exclude.has(c.index)) continue;
    const nth = seen.get(c.form) ?? 0;
    seen.set(c.form, nth + 1);
    if (nth % STEP === 0) parts.push(c.raw);
  }
  const header = Buffer.from(file.header);
  header.writeUInt32LE(parts.length, COUNT_OFFSET);
  return Buffer.concat([header, ...parts]);
}

function main([folder, ...files]: readonly string[]): void {
  if (files.length === 0) throw new Error('usage: tsx tools/vector-subset.ts OUTPUT-FOLDER FILE.vec.gz..');
  const exclusions = parseExclusions(readFileSync(LIST, 'utf8'), 'test/vectors/amd-only.json');
  mkdirSync(folder, { recursive: true });
  let size = 0;
  for (const path of files) {
    const name = basename(path);
    const subset = subsetOf(openVectors(readFileSync(path), name), excludedIndices(exclusions, name));
    const packed = gzipSync(subset, { level: 9 });
    writeFileSync(join(folder, name), packed);
    size += packed.length;
  }
  console.log(`${files.length} files, ${size} bytes`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
