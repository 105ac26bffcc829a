/** Instruction bytes at the end of a page: what is fetched before an exception decides which one it is. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, type Lab, longLab, TABLES } from './lab.ts';

const END = 0x20_0000;

describe('at the end of a page, with none after it', () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await longLab();
    lab.put64(TABLES + 0x2008, 0n);
    for (const vector of [6, 13, 14]) lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
  });
  const vectorOf = (bytes: string) => {
    const at = END - bytes.split(' ').length;
    lab.code(at, bytes);
    lab.set({ rip: at });
    lab.step();
    return (Number(lab.get('rip')) - HANDLER) / 0x100;
  };

  // SDM Vol. 2A, "Instruction Format": more than 15 bytes are #GP(0); the sixteenth is not fetched for that.
  it.each([
    [14, 14],
    [15, 13],
  ])('%i operand-size prefixes are exception %i', (count, vector) => {
    expect(vectorOf(Array(count).fill('66').join(' '))).toBe(vector);
  });

  // As recorded in x-bits: a ModRM byte, and the immediate of group 11, are fetched though the opcode is undefined.
  it.each(['0f 3b', '0f a6', '0f a7', '0f 38 2f', '0f 3a 30', 'c6 c8'])('%s wants another byte', (bytes) => {
    expect(vectorOf(bytes)).toBe(14);
    expect(lab.get('cr2')).toBe(BigInt(END));
  });
  it.each(['0f 04', '0f 0a', '0f 24', '0f 36', '0f aa', 'fe d0', '8f c8'])('%s is undefined as it stands', (bytes) => {
    expect(vectorOf(bytes)).toBe(6);
  });
});
