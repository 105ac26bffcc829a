/** `run` comes back within its budget whatever the guest does: what retires nothing pays (decisions/0018). */
import { describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import { CODE, enterUser, HANDLER, type Lab, longLab, protectedLab, Sel, TABLES } from './lab.ts';

const AC = 17;
/** CR0 with paging off, alignment checks on. */
const AM = 0x40011;
const EFLAGS_AC = 0x40002;

/** A program of ring 3 that raises #AC, whose handler runs in ring 3 on a misaligned stack. */
async function alignmentLoop(): Promise<Lab> {
  const lab = await protectedLab();
  lab.gate32(AC, HANDLER, 0xee, Sel.USER_CODE32);
  lab.set({ cr0: AM, rflags: EFLAGS_AC });
  enterUser(lab, false);
  lab.set({ rsp: 0x38001 });
  lab.code(CODE, 'a1 01 50 00 00');
  lab.code(HANDLER, 'f4');
  return lab;
}

describe('#AC whose delivery raises #AC', () => {
  it('is a benign exception each time, and takes from the budget', async () => {
    const lab = await alignmentLoop();
    for (let n = 0; n < 3; n++) {
      expect(lab.core.run(100_000)).toBe(Stop.BUDGET);
      expect([lab.core.retired, lab.get('rip'), lab.get('rsp')]).toEqual([0, BigInt(CODE), 0x38001n]);
    }
  });
  it('waits for delivery when the budget is used up, with RIP at its instruction', async () => {
    const lab = await alignmentLoop();
    lab.core.run(1000);
    // The operating system on another processor mends CR0.AM, as it were.
    lab.set({ cr0: 0x11 });
    lab.core.run(1);
    expect(lab.get('rip')).toBe(BigInt(HANDLER));
    expect(lab.stack(4, 4)).toEqual([0, CODE, Sel.USER_CODE32, 0x50002]);
  });
  it('lets the embedder stop the processor', async () => {
    const lab = await alignmentLoop();
    lab.core.run(1000);
    lab.core.requestStop();
    expect(lab.core.run(1000)).toBe(Stop.REQUESTED);
    lab.core.reset();
    expect(lab.get('rip')).toBe(0xfff0n);
  });
});

/** A repeated instruction whose count nobody sees the end of, as the first of a processor's life. */
const ENDLESS = { rcx: 0xffff_ffff, rdx: 0x80, rsi: 0x10_0000, rdi: 0x20_0000 };
const REPEATED = [
  ['MOVSB', 'f3 a4'],
  ['STOSB', 'f3 aa'],
  ['LODSB', 'f3 ac'],
  ['SCASB', 'f2 ae'],
  ['CMPSB', 'f3 a6'],
  ['INSB', 'f3 6c'],
  ['OUTSB', 'f3 6e'],
];
/** Far more than a budget of 100,000 pays for, at 16 bytes for an instruction, and far fewer than there are to do. */
const MOST_ELEMENTS = 1n << 22n;
/** DR7 with one breakpoint on execution, which nothing reaches; and on data. */
const ARMED: [string, number][] = [
  ['none', 0x400],
  ['an instruction breakpoint', 0x402],
  ['a data breakpoint', 0x10402],
];

describe('a repeated instruction without end', () => {
  for (const [breakpoint, dr7] of ARMED) {
    it.each(REPEATED)(`%s comes back with ${breakpoint} armed, at the same instruction`, async (_, bytes) => {
      const lab = await protectedLab();
      lab.code(CODE, bytes);
      lab.set({ ...ENDLESS, rax: 1, dr0: 0x30_0000, dr7 });
      // CMPS goes on while the elements are equal.
      lab.core.memory.bytes(0x10_0000, 0x30_0000).fill(0);
      for (const budget of [1, 1, 100_000]) {
        const left = lab.get('rcx');
        expect(lab.core.run(budget)).toBe(Stop.BUDGET);
        expect([lab.core.retired, lab.get('rip')]).toEqual([0, BigInt(CODE)]);
        expect(lab.get('rcx')).toBeLessThan(left);
        expect(left - lab.get('rcx')).toBeLessThan(MOST_ELEMENTS);
      }
    });
  }
  it('of port I/O takes about as long as other instructions of the budget', async () => {
    const lab = await protectedLab();
    lab.code(CODE, 'f3 6e');
    lab.set(ENDLESS);
    lab.core.run(16_000);
    expect(0xffff_ffffn - lab.get('rcx')).toBeLessThanOrEqual(1100n);
  });
});

describe('the budget', () => {
  it('of one instruction executes one, though the clock begins at 0', async () => {
    const lab = await longLab();
    lab.code(CODE, '90 90');
    lab.core.run(1);
    expect([lab.core.retired, lab.get('rip')]).toEqual([1, BigInt(CODE + 1)]);
  });
});

describe('FXSAVE to the last page of the address space', () => {
  it('asks for that page alone', async () => {
    const lab = await longLab();
    const AREA = 0x60000;
    // The uppermost page of 4-level paging, by tables of its own.
    const at = [0x70000, 0x71000, 0x72000];
    lab.put64(TABLES + 8 * 511, BigInt(at[0] | 7));
    lab.put64(at[0] + 8 * 511, BigInt(at[1] | 7));
    lab.put64(at[1] + 8 * 511, BigInt(at[2] | 7));
    lab.put64(at[2] + 8 * 511, BigInt(AREA | 7));
    lab.core.memory.bytes(AREA, 0x1000).fill(0);
    lab.code(CODE, '0f ae 07 f4');
    lab.set({ cr4: 0x220, rdi: 0xffff_ffff_ffff_fc00n });
    expect(lab.core.run(10)).toBe(Stop.HALT);
    expect(lab.view().getUint16(AREA + 0xc00, true)).toBe(lab.core.state.number('fcw'));
  });
});
