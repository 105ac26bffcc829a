// FSTENV and FSAVE in their 16 and 32-bit forms (SDM Vol. 1, "Saving the x87 FPU's State with FSTENV/FNSTENV and
// FSAVE/FNSAVE", Figures "Protected Mode x87 FPU State Image" and "Real Mode x87 FPU State Image"), on a processor that still
// saves all of the pointers.
import { describe, expect, it } from 'vitest';
import { CODE, enterV86, type Lab, protectedLab, realLab, Sel } from './lab.ts';

const CPU = 'pentium3';
/** FNINIT; FLD dword [0x1234]: FIP is 2 and FDP 0x1234 beyond the bases. */
const LOAD = 'db e3 d9 06 34 12';
const FNSTENV = 'd9 36 00 20';
const FNSAVE = 'dd 36 00 20';
const FRSTOR = 'dd 26 00 20';
const IMAGE = 0x2000;
const WIDE = '66 ';
/** FLD dword is D9 /0 with mod 0, r/m 6: the low bits of D9 and the ModRM byte. */
const OPCODE = 0x106;
const ONE = 0x3f80_0000;
/** ST(0), physical register 7, is valid, the others are empty. */
const TAGS = 0x3fff;
const STATUS = 0x3800;
const RESERVED = 0xffff_0000;

const word = (lab: Lab, base: number, offset: number) => lab.view().getUint16(base + IMAGE + offset, true);
const words = (lab: Lab, base: number) => [0, 2, 4, 6, 8, 10, 12].map((offset) => word(lab, base, offset));
const doublewords = (lab: Lab, base: number) =>
  [0, 4, 8, 12, 16, 20, 24].map((offset) => lab.view().getUint32(base + IMAGE + offset, true));

/** Real mode with CS 1000H and DS 2345H. */
async function real(code: string): Promise<Lab> {
  const lab = await realLab(CPU);
  const segment = (selector: number, rights: number) => ({
    selector,
    base: BigInt(selector << 4),
    limit: 0xffff,
    rights,
  });
  lab.core.setSegment('cs', segment(0x1000, 0x9b));
  lab.core.setSegment('ds', segment(0x2345, 0x93));
  lab.set({ rip: 0 });
  lab.code(0x10000, code);
  lab.put32(0x23450 + 0x1234, ONE);
  lab.step(3);
  return lab;
}
/** The same in virtual-8086 mode, with CS 1000H and DS 6000H. */
async function v86(code: string): Promise<Lab> {
  const lab = await protectedLab(CPU);
  enterV86(lab, 0x20002n);
  lab.code(CODE, code);
  lab.put32(0x60000 + 0x1234, ONE);
  lab.step(3);
  return lab;
}

describe('FNSTENV in real-address mode', () => {
  it('with a 16-bit operand stores linear addresses of 20 bits and the opcode', async () => {
    const lab = await real(`${LOAD} ${FNSTENV}`);
    expect(words(lab, 0x23450)).toEqual([0x37f, STATUS, TAGS, 0x0002, 0x1000 | OPCODE, 0x4684, 0x2000]);
  });

  it('with a 32-bit operand stores linear addresses of 32 bits in halves', async () => {
    const lab = await real(`${LOAD} ${WIDE}${FNSTENV}`);
    const [control, status, tags, ip, ipHigh, dp, dpHigh] = doublewords(lab, 0x23450);
    expect([control, status, tags]).toEqual([RESERVED + 0x37f, RESERVED + STATUS, RESERVED + TAGS]);
    expect([ip & 0xffff, ipHigh]).toEqual([0x0002, (1 << 12) | OPCODE]);
    expect([dp & 0xffff, dpHigh]).toEqual([0x4684, 2 << 12]);
  });
});

describe('FNSTENV in virtual-8086 mode', () => {
  it('stores what real-address mode would, in both forms', async () => {
    expect(words(await v86(`${LOAD} ${FNSTENV}`), 0x60000)).toEqual([
      ...[0x37f, STATUS, TAGS],
      ...[0x0002, 0x1000 | OPCODE, 0x1234, 0x6000],
    ]);
    const [, , , ip, ipHigh, dp, dpHigh] = doublewords(await v86(`${LOAD} ${WIDE}${FNSTENV}`), 0x60000);
    expect([ip & 0xffff, ipHigh, dp & 0xffff, dpHigh]).toEqual([0x0002, 0x1000 | OPCODE, 0x1234, 0x6000]);
  });
});

describe('FNSTENV in protected mode', () => {
  // fninit; fld dword [0x1234]; fnstenv [0x2000], with 32-bit addresses
  const load = 'db e3 d9 05 34 12 00 00';
  const store = 'd9 35 00 20 00 00';
  const run = async (code: string): Promise<Lab> => {
    const lab = await protectedLab(CPU);
    lab.code(CODE, code);
    lab.put32(0x1234, ONE);
    lab.step(3);
    return lab;
  };

  it('with a 32-bit operand stores selectors, offsets and the opcode', async () => {
    const [, , , ip, selectorAndOpcode, dp, selector] = doublewords(await run(`${load} ${store}`), 0);
    expect([ip, selectorAndOpcode]).toEqual([CODE + 2, (0x105 << 16) | Sel.CODE32]);
    expect([dp, selector & 0xffff]).toEqual([0x1234, Sel.DATA]);
  });

  it('with a 16-bit operand stores selectors and offsets of 16 bits, and no opcode', async () => {
    expect(words(await run(`${load} ${WIDE}${store}`), 0).slice(3)).toEqual([
      ...[(CODE + 2) & 0xffff, Sel.CODE32],
      ...[0x1234, Sel.DATA],
    ]);
  });
});

describe('FNSAVE in real-address mode', () => {
  it.each([
    ['16', '', 14],
    ['32', WIDE, 28],
  ])(
    'with a %s-bit operand stores ST(0) to ST(7) behind the environment, initializes, and FRSTOR takes it back',
    async (_bits, prefix, size) => {
      const lab = await real(`${LOAD} ${prefix}${FNSAVE} ${prefix}${FRSTOR}`);
      const at = 0x23450 + IMAGE + size;
      expect([lab.view().getBigUint64(at, true), lab.view().getUint16(at + 8, true)]).toEqual([1n << 63n, 0x3fff]);
      expect(lab.core.state.number('fcw')).toBe(0x37f);
      expect([lab.core.state.number('ftw'), lab.core.state.number('fsw')]).toEqual([0, 0]);
      lab.step(1);
      expect([lab.core.state.number('ftw'), lab.core.state.number('fsw')]).toEqual([0x80, STATUS]);
      expect(lab.core.state.field('fip')).toBe(0x10002n);
      expect(lab.core.state.field('fdp')).toBe(0x24684n);
      expect(lab.core.state.number('fop')).toBe(OPCODE);
    },
  );
});
