/**
 * Makes a committed subset of the instruction vectors: of every form its first case and every STEPth after it.
 *
 *   tsx tools/vector-subset.ts STEP OUTPUT-FOLDER FILE.vec.gz..
 *
 * test/recorded/recordings.ts has the steps of the committed ones.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { COUNT_OFFSET, openVectors, type VectorFile } from '../src/recorded/reader.ts';

/** The subset of one file, as a file of the same format, not compressed. */
export function subsetOf(file: VectorFile, step: number): Buffer {
  const seen = new Map<string, number>();
  const parts: Uint8Array[] = [];
  for (const c of file.cases()) {
    const nth = seen.get(c.form) ?? 0;
    seen.set(c.form, nth + 1);
    if (nth % step === 0) parts.push(c.raw);
  }
  const header = Buffer.from(file.header);
  header.writeUInt32LE(parts.length, COUNT_OFFSET);
  return Buffer.concat([header, ...parts]);
}

function main([step, folder, ...files]: readonly string[]): void {
  const every = Number(step);
  if (files.length === 0 || !Number.isInteger(every) || every < 1) {
    throw new Error('usage: tsx tools/vector-subset.ts STEP OUTPUT-FOLDER FILE.vec.gz..');
  }
  mkdirSync(folder, { recursive: true });
  let size = 0;
  for (const path of files) {
    const name = basename(path);
    const packed = gzipSync(subsetOf(openVectors(readFileSync(path), name), every), { level: 9 });
    writeFileSync(join(folder, name), packed);
    size += packed.length;
  }
  console.log(`${files.length} files, ${size} bytes`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
