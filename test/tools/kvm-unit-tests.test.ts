/** How the verdict of a third-party test is read from what it printed and how it ended. */
import { describe, expect, it } from 'vitest';
import { readVerdict } from '../../tools/kvm-unit-tests.ts';

const ended = (outcome: object) => `\n${JSON.stringify({ outcome, instructions: 1234, seconds: 0.5 })}\n`;

describe('a verdict', () => {
  it('counts the lines that begin with PASS, FAIL and SKIP', () => {
    const output = 'enabling apic\r\nPASS: one\r\nPASS: two\r\nFAIL: three\r\nSKIP: four\r\nSUMMARY: 4 tests\r\n';
    const verdict = readVerdict(output, ended({ reason: 'debug-exit', code: 1 }));
    expect(verdict).toMatchObject({ pass: 2, fail: 1, skip: 1, ending: '3 fail', instructions: 1234 });
    expect(verdict.remarks).toEqual(['FAIL: three']);
  });

  it.each([
    [0, '1 pass'],
    [77, '155 skip'],
    [127, '255 abort'],
    [9, '19 code 9'],
  ])('names exit code %i', (code, ending) => {
    expect(readVerdict('', ended({ reason: 'debug-exit', code })).ending).toBe(ending);
  });

  it('quotes the last words of a test that did not end', () => {
    const verdict = readVerdict('PASS: one\nwaiting..\n\n', ended({ reason: 'limit' }));
    expect(verdict).toMatchObject({ pass: 1, ending: 'limit', remarks: ['waiting..'] });
  });

  it('quotes the error of a run that crashed', () => {
    const verdict = readVerdict('', 'RuntimeError: unreachable\n    at run');
    expect(verdict).toMatchObject({ ending: 'crash', remarks: ['RuntimeError: unreachable', '    at run'] });
  });
});
