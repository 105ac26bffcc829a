/** `vmlaunch vectors`: what it prints, and how it says that something is wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/recorded/cli.ts';
import { openVectors } from '../../src/recorded/reader.ts';

const BCD = fileURLToPath(new URL('./data/int-bcd-32.vec.gz', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vectors-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let output: string[];
let errors: string[];
beforeEach(() => {
  output = [];
  errors = [];
  vi.spyOn(console, 'log').mockImplementation((text) => void output.push(text));
  vi.spyOn(console, 'error').mockImplementation((text) => void errors.push(text));
});
afterEach(() => vi.restoreAllMocks());

/** The file with its first case changed to end one byte further on. */
function fileWithWrongRip(): string {
  const bytes = gunzipSync(readFileSync(BCD));
  const { header } = openVectors(bytes);
  const RIP_IN_CASE = 2 + 2 + 1 + 1 + 1 + 1 + 2;
  bytes[header.length + RIP_IN_CASE] += 1;
  const path = join(scratch, 'wrong.vec');
  writeFileSync(path, bytes);
  return path;
}

describe('the vectors command', () => {
  it('prints a line for each file and closes with the total', async () => {
    expect(await main([BCD])).toBe(0);
    expect(output).toHaveLength(2);
    expect(output[0]).toMatch(/^int-bcd-32 +\d+ passed, 0 failed$/);
    expect(output[1]).toMatch(/^\d+ passed, 0 failed$/);
  });

  it('runs only what --grep and --limit leave', async () => {
    expect(await main(['--grep', 'daa', '--limit', '3', BCD])).toBe(0);
    expect(output[1]).toBe('3 passed, 0 failed');
  });

  it('fails, and with --verbose shows the assembly, expected and got, where a case differs', async () => {
    expect(await main(['--verbose', '--limit', '2', fileWithWrongRip()])).toBe(1);
    expect(output[0]).toMatch(/1 passed, 1 failed/);
    expect(output[1]).toMatch(/^#0 daa {2}\[daa\] {2}27\n {4}rip: expected \+2, got \+1$/);
    expect(output[2]).toBe('1 passed, 1 failed');
  });

  it('leaves out the cases of an exclusion list', async () => {
    const list = join(scratch, 'list.json');
    writeFileSync(list, JSON.stringify([{ file: 'wrong.vec', index: 0, reason: 'made wrong on purpose' }]));
    expect(await main(['--exclude', list, '--limit', '2', fileWithWrongRip()])).toBe(0);
    expect(output[0]).toMatch(/2 passed, 0 failed, 1 left out/);
  });

  it.each([
    [['--limit', '0', BCD], '--limit 0: a whole number of at least 1 is expected'],
    [[], 'no FILE given (see --help)'],
    [['/nowhere.vec'], "ENOENT: no such file or directory, open '/nowhere.vec'"],
    [[fileURLToPath(import.meta.url)], "not a VEC1 file (it starts with '/** ')"],
  ])('says what is wrong with %j', async (argv, message) => {
    expect(await main(argv)).toBe(1);
    expect(errors.join()).toContain(message);
  });

  it('shows examples with --help', async () => {
    expect(await main(['--help'])).toBe(0);
    expect(output[0]).toContain('vmlaunch vectors --verbose --grep');
  });
});
