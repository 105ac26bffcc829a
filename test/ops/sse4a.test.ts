// EXTRQ and INSERTQ (APM Vol. 4): bit fields of the low quadword; a length of 0 stands for 64. Only AMD's processors have them.
import { describe, expect, it } from 'vitest';
import { createState } from '../../src/recorded/state.ts';
import { oneInstruction, UD } from './one-instruction.ts';

const CR4_OSFXSR = 0x220n;

/** XMM1 after the instruction, from XMM1 and XMM2 before; bits 63:0. */
async function lowOfXmm1(code: readonly number[], xmm1: bigint, xmm2: [bigint, bigint] = [0n, 0n]): Promise<bigint> {
  const m = await oneInstruction({ cpu: 'Opteron_G3' });
  m.movToCr(4, CR4_OSFXSR);
  const state = createState();
  const view = new DataView(state.ymm.buffer);
  view.setBigUint64(32, xmm1, true);
  for (const [n, half] of xmm2.entries()) view.setBigUint64(64 + 8 * n, half, true);
  m.core.setFpu(state);
  expect(m.step(code)).toBe('done');
  m.core.getFpu(state);
  return view.getBigUint64(32, true);
}

describe('SSE4a', () => {
  it.each([
    ['EXTRQ xmm1, 8, 4', [0x66, 0x0f, 0x78, 0xc1, 8, 4], 0xefn],
    ['EXTRQ xmm1, 64, 0', [0x66, 0x0f, 0x78, 0xc1, 0, 0], 0x1234_5678_9abc_def0n],
    ['EXTRQ xmm1, xmm2', [0x66, 0x0f, 0x79, 0xca], 0x6789n],
    ['INSERTQ xmm1, xmm2, 12, 8', [0xf2, 0x0f, 0x78, 0xca, 12, 8], 0x1234_5678_9abc_10f0n],
    ['INSERTQ xmm1, xmm2', [0xf2, 0x0f, 0x79, 0xca], 0x1234_5678_9abc_dc10n],
  ])('%s', async (_text, code, expected) => {
    // Length 16 and index 28 for EXTRQ in bits 13:0; length 12 and index 0 for INSERTQ in bits 77:64.
    expect(await lowOfXmm1(code, 0x1234_5678_9abc_def0n, [0x1c10n, 12n])).toBe(expected);
  });

  it("is #UD on Intel's processors", async () => {
    const m = await oneInstruction();
    m.movToCr(4, CR4_OSFXSR);
    expect(m.step([0x66, 0x0f, 0x79, 0xca])).toEqual(UD);
  });
});
