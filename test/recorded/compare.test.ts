/** The comparison rules of the VEC1 format: what must match, what is masked, what may be close. */
import { describe, expect, it } from 'vitest';
import { compareCase, type Outcome } from '../../src/recorded/compare.ts';
import { Approx, type VectorCase } from '../../src/recorded/reader.ts';
import { copyState, createState, type VectorState } from '../../src/recorded/state.ts';

function makeCase(change: Partial<VectorCase> = {}): VectorCase {
  return {
    index: 0,
    form: '',
    text: '',
    approx: Approx.EXACT,
    rip: 2,
    flagsMask: 0x8d5,
    fswMask: 0xffff,
    gprIgnore: 0,
    memIgnore: [],
    memBase: 0x10000000,
    codeOffset: 0,
    code: new Uint8Array(2),
    initial: createState(),
    final: createState(),
    raw: new Uint8Array(0),
    ...change,
  };
}

function compare(
  c: VectorCase,
  change: (state: VectorState) => void,
  outcome: Partial<Outcome> = {},
  mode: 32 | 64 = 64,
  strict = false,
): string[] {
  const state = createState();
  copyState(state, c.final);
  change(state);
  return compareCase(c, { rip: c.rip, fault: c.fault, state, hasFpu: true, ...outcome }, mode, strict);
}

const same = () => {};

/** An 80-bit value: sign and exponent, then the significand. */
function setSt(state: VectorState, top: number, significand: bigint): void {
  const view = new DataView(state.st.buffer);
  view.setBigUint64(0, significand, true);
  view.setUint16(8, top, true);
}

describe('a completed case', () => {
  it('passes when nothing differs', () => {
    expect(compare(makeCase(), same)).toEqual([]);
  });

  it('fails when RIP differs', () => {
    expect(compare(makeCase(), same, { rip: 3 })).toEqual(['rip: expected +2, got +3']);
  });

  it('fails when the processor faulted', () => {
    const problems = compare(makeCase(), same, { fault: { vector: 6, errorCode: 0 } });
    expect(problems).toEqual(['outcome: expected completed, got exception 6 (error code 0x0)']);
  });

  it('fails when a register differs, and names it', () => {
    expect(compare(makeCase(), (s) => s.gpr.fill(1n, 9, 10))).toEqual(['r9: expected 0x0, got 0x1']);
  });

  it('does not look at a register that the case ignores', () => {
    expect(compare(makeCase({ gprIgnore: 1 << 9 }), (s) => s.gpr.fill(1n, 9, 10))).toEqual([]);
  });

  it('looks at the low half of eight registers in mode 32', () => {
    expect(compare(makeCase(), (s) => s.gpr.fill(1n << 32n), {}, 32)).toEqual([]);
    expect(compare(makeCase(), (s) => s.gpr.fill(1n), {}, 32)).toHaveLength(8);
  });

  it.each([
    ['CF', 1],
    ['OF', 0x800],
    ['DF', 0x400],
    ['NT', 0x4000],
    ['AC', 0x40000],
    ['ID', 0x200000],
  ])('fails when %s differs', (_name, bit) => {
    expect(
      compare(makeCase(), (s) => {
        s.rflags = bit;
      }),
    ).toHaveLength(1);
  });

  it('does not look at an undefined flag, IF or TF', () => {
    expect(
      compare(makeCase({ flagsMask: 0x8d4 }), (s) => {
        s.rflags = 1 | 0x100 | 0x200;
      }),
    ).toEqual([]);
  });

  it('fails when memory differs outside the ignored bytes', () => {
    const c = makeCase({ memIgnore: [{ offset: 0x10, length: 2 }] });
    expect(compare(c, (s) => s.page.fill(1, 0x10, 0x12))).toEqual([]);
    expect(compare(c, (s) => s.page.fill(1, 0x10, 0x13))[0]).toMatch(/^memory at page\+0x12: expected 00/);
  });

  it('fails when MXCSR, FCW, FTW or a defined bit of FSW differs', () => {
    const c = makeCase({ fswMask: 0xff00 });
    const problems = compare(c, (s) => Object.assign(s, { mxcsr: 1, fcw: 2, ftw: 3, fsw: 0x4001 }));
    expect(problems.map((p) => p.split(':')[0])).toEqual(['mxcsr', 'fcw', 'fsw', 'ftw']);
    expect(
      compare(c, (s) => {
        s.fsw = 0xff;
      }),
    ).toEqual([]);
  });

  it('does not look at floating-point state that was not read', () => {
    expect(
      compare(
        makeCase(),
        (s) => {
          s.ymm[0] = 1;
          s.mxcsr = 1;
        },
        { hasFpu: false },
      ),
    ).toEqual([]);
  });
});

describe('a strict comparison', () => {
  it('looks at what the case masks, and at RIP and the rest as before', () => {
    const c = makeCase({ flagsMask: 0, fswMask: 0, gprIgnore: 1 << 9, memIgnore: [{ offset: 0, length: 1 }] });
    const all = (s: VectorState) => {
      s.rflags = 0x10;
      s.fsw = 1;
      s.gpr[9] = 1n;
      s.page[0] = 1;
    };
    expect(compare(c, all)).toEqual([]);
    expect(compare(c, all, {}, 64, true).map((p) => p.split(':')[0])).toEqual([
      'r9',
      'rflags',
      'fsw',
      'memory at page+0x0',
    ]);
    expect(compare(c, same, { rip: 3 }, 64, true)).toHaveLength(1);
  });

  it('leaves approximate results no room', () => {
    const c = makeCase({ approx: Approx.TRANSCENDENTAL });
    setSt(c.final, 16383, 1n << 63n);
    const near = (s: VectorState) => setSt(s, 16383, (1n << 63n) + 1n);
    expect(compare(c, near)).toEqual([]);
    expect(compare(c, near, {}, 64, true)).toHaveLength(1);
  });
});

describe('a faulting case', () => {
  const pageFault = { vector: 14, errorCode: 6, cr2: 0x1000n };
  const c = makeCase({ rip: 0, fault: pageFault });

  it('fails when the processor completed', () => {
    expect(compare(c, same, { fault: undefined })).toHaveLength(1);
  });

  it('fails when the error code or CR2 differs', () => {
    expect(compare(c, same, { fault: { ...pageFault, errorCode: 4 } })).toHaveLength(1);
    expect(compare(c, same, { fault: { ...pageFault, cr2: 0x1001n } })).toEqual(['cr2: expected 0x1000, got 0x1001']);
  });

  it('passes with any CR2 where CR2 need not match', () => {
    const free = makeCase({ rip: 0, fault: { vector: 14, errorCode: 6 } });
    expect(compare(free, same, { fault: pageFault })).toEqual([]);
  });
});

describe('an approximate case', () => {
  const ONE = 1n << 63n;

  it('lets a transcendental result be one unit in the last place away, across a power of two too', () => {
    const c = makeCase({ approx: Approx.TRANSCENDENTAL });
    setSt(c.final, 16383, ONE);
    expect(compare(c, (s) => setSt(s, 16383, ONE + 1n))).toEqual([]);
    expect(compare(c, (s) => setSt(s, 16382, (1n << 64n) - 1n))).toEqual([]);
    expect(compare(c, (s) => setSt(s, 16383, ONE + 2n))).toHaveLength(1);
    expect(compare(c, (s) => setSt(s, 0x8000 | 16383, ONE))).toHaveLength(1);
  });

  it('wants the same NaN from a transcendental', () => {
    const c = makeCase({ approx: Approx.TRANSCENDENTAL });
    setSt(c.final, 0x7fff, 3n << 62n);
    expect(compare(c, (s) => setSt(s, 0x7fff, (3n << 62n) | 1n))).toHaveLength(1);
  });

  it('lets RCP be wrong by 1.5 * 2^-12 of the value, and no more', () => {
    const c = makeCase({ approx: Approx.RECIPROCAL });
    const single = (s: VectorState, value: number) => new DataView(s.ymm.buffer).setFloat32(0, value, true);
    single(c.final, 1);
    expect(compare(c, (s) => single(s, 1 + 1.4 * 2 ** -12))).toEqual([]);
    expect(compare(c, (s) => single(s, 1 + 1.6 * 2 ** -12))).toHaveLength(1);
    expect(compare(c, (s) => single(s, Number.NaN))).toHaveLength(1);
  });

  it('holds trigonometry of small arguments to the value and of huge ones to the class', () => {
    const small = makeCase({ approx: Approx.TRIGONOMETRIC });
    setSt(small.initial, 16383 + 4, ONE);
    setSt(small.final, 16382, ONE);
    expect(compare(small, (s) => setSt(s, 16382, ONE + 1n))).toEqual([]);
    expect(compare(small, (s) => setSt(s, 16381, ONE))).toHaveLength(1);
    const huge = makeCase({ approx: Approx.TRIGONOMETRIC });
    setSt(huge.initial, 16383 + 60, ONE);
    setSt(huge.final, 16382, ONE);
    expect(compare(huge, (s) => setSt(s, 16381, ONE))).toEqual([]);
    expect(compare(huge, (s) => setSt(s, 0x7fff, ONE))).toHaveLength(1);
  });

  it('leaves bits 127:64 of EXTRQ and INSERTQ open', () => {
    const c = makeCase({ approx: Approx.LOW_QUADWORD });
    expect(compare(c, (s) => s.ymm.fill(1, 8, 16))).toEqual([]);
    expect(compare(c, (s) => s.ymm.fill(1, 7, 16))).toHaveLength(1);
    expect(compare(c, (s) => s.ymm.fill(1, 8, 17))).toHaveLength(1);
  });
});
