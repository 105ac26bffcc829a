/** Makes bytes that a row should decode from, straight from its notation. */
import type { Mode } from '../../src/isa/lookup.ts';
import { argsOf, hasModrm, parseCode, type Row } from '../../src/isa/table.ts';

const PREFIX_BYTES = { NP: [], NFx: [], '66': [0x66], F3: [0xf3], F2: [0xf2] };
const ESCAPES = { '': [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] };

/** Fifteen bytes or more that begin with an encoding of `row`; register forms where the row leaves a choice, register 3 in reg, the rest is zero. */
export function encode(row: Row, mode: Mode): Uint8Array {
  const code = parseCode(row.code);
  const vsib = row.traits?.some((trait) => trait.startsWith('vsib')) ?? false;
  const modrm = code.modrm ?? ((code.reg ?? 3) << 3) | (code.mod === 'm' ? 0 : 0xc0);
  const bytes: number[] = vsib && mode === 16 ? [0x67] : [];
  if (code.vex) {
    const usesVvvv = argsOf(row).some((arg) => /^[BH][a-z]/.test(arg));
    const map = { '': 0, '0F': 1, '0F38': 2, '0F3A': 3 }[code.map];
    const pp = { NP: 0, NFx: 0, '66': 1, F3: 2, F2: 3 }[code.prefix ?? 'NP'];
    const vvvv = usesVvvv ? 1 : 0;
    bytes.push(0xc4, 0xe0 | map, ((code.w ?? 0) << 7) | ((~vvvv & 15) << 3) | ((code.l === 'L1' ? 1 : 0) << 2) | pp);
  } else {
    bytes.push(...PREFIX_BYTES[code.prefix ?? 'NP']);
    if (code.w || code.b) bytes.push(0x40 | ((code.w ?? 0) << 3) | (code.b ?? 0));
    bytes.push(...ESCAPES[code.map]);
  }
  bytes.push(code.plus ? code.opcode + 1 : code.opcode);
  if (hasModrm(row)) bytes.push(vsib ? 0x04 : modrm);
  if (vsib) bytes.push(0x10);
  return Uint8Array.from([...bytes, ...new Array(16).fill(0)]);
}
