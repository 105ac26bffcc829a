/**
 * x87 stores to where no page is. Recorded on processors: Intel's note an exception that is not masked and leave memory
 * alone, AMD's and every store without such an exception fault.
 */
import { describe, expect, it } from 'vitest';
import { type OneInstruction, oneInstruction } from './one-instruction.ts';

const ABSENT = 0x4000_0000n;
const FNINIT = [0xdb, 0xe3];
const FLD1 = [0xd9, 0xe8];
const FLDCW = [0xd9, 0x2b]; // [RBX]
const FST_M32 = [0xd9, 0x17]; // [RDI]
const FISTP_M16 = [0xdf, 0x1f];
const FNSTSW_AX = [0xdf, 0xe0];
const PAGE_FAULT = { vector: 14, errorCode: 2 };
const ES_SF_IE = 0x80c1;

function setControlWord(m: OneInstruction, value: number): void {
  m.core.memory.bytes(m.data, 2).set([value & 0xff, value >> 8]);
  expect(m.step(FLDCW, { rbx: BigInt(m.data) })).toBe('done');
}
const status = (m: OneInstruction) => {
  m.step(FNSTSW_AX);
  return Number(m.core.get('rax')) & 0xffff;
};
async function empty(cpu: string, controlWord: number): Promise<OneInstruction> {
  const m = await oneInstruction({ cpu });
  m.step(FNINIT);
  setControlWord(m, controlWord);
  return m;
}

describe('an x87 store to an absent page', () => {
  it.each([
    ['FST', FST_M32],
    ['FISTP', FISTP_M16],
  ])('%s from an empty register with #IS unmasked only notes it on a model of Intel', async (_name, code) => {
    const m = await empty('max', 0x37e);
    expect(m.step(code, { rdi: ABSENT })).toBe('done');
    expect(status(m)).toBe(ES_SF_IE);
    expect(m.step(FLD1)).toEqual({ vector: 16 });
  });
  it('with the exception masked is a page fault that changes nothing', async () => {
    const m = await empty('max', 0x37f);
    expect(m.step(FST_M32, { rdi: ABSENT })).toEqual(PAGE_FAULT);
    expect(status(m)).toBe(0);
  });
  it('with the exception unmasked is a page fault on a model of AMD', async () => {
    const m = await empty('EPYC-Genoa', 0x37e);
    expect(m.step(FST_M32, { rdi: ABSENT })).toEqual(PAGE_FAULT);
    expect(status(m)).toBe(0);
  });
});
