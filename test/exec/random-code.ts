/** Random instructions and register values, for tests of what no guest may do to its host. */
import { rows } from '../../src/isa/opcodes.ts';
import { hasModrm, parseCode } from '../../src/isa/table.ts';

/** The bytes up to ModRM of one encoding of each row of the opcode table. */
const ENCODINGS = rows.map((row) => {
  const code = parseCode(row.code);
  const modrm = code.modrm ?? (code.mod === 'r' ? 0xc0 : 0) | ((code.reg ?? 0) << 3);
  const tail = hasModrm(row) ? [code.opcode, modrm] : [code.opcode];
  const prefix = { NP: 0, NFx: 0, 66: 1, F3: 2, F2: 3 }[code.prefix ?? 'NP'];
  const map = ['', '0F', '0F38', '0F3A'].indexOf(code.map);
  if (code.vex) return [0xc4, 0xe0 | map, ((code.w ?? 0) << 7) | 0x78 | (code.l === 'L1' ? 4 : 0) | prefix, ...tail];
  const mandatory = prefix === 0 ? [] : [[0x66, 0xf3, 0xf2][prefix - 1]];
  return [...mandatory, ...(code.w ? [0x48] : []), ...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map], ...tail];
});

/** Fills memory with instructions of the opcode table whose operands are random, and with bytes that are nothing at all. */
export function fillProgram(program: Uint8Array, next: () => number): void {
  for (let n = 0; n < program.length; ) {
    const encoding = (next() & 7) === 0 ? [] : ENCODINGS[next() % ENCODINGS.length];
    const free = next() & 7;
    for (const byte of encoding) if (n < program.length) program[n++] = byte;
    if ((next() & 1) === 0 && encoding.length > 1) program[n - 1] ^= next() & 0xc7;
    for (let k = 0; k < free && n < program.length; k++) program[n++] = next();
  }
}

/** A register value: an address of the guest, a model-specific register, a selector, a small count or anything. */
export function randomValue(next: () => number): bigint {
  const msrs = [0x10, 0x1b, 0x174, 0x175, 0x176, 0x1a0, 0x277, 0x2ff, 0x6e0, 0x80b, 0xc0000080, 0xc0000081, 0xc0000101];
  switch (next() % 6) {
    case 0:
      return BigInt(msrs[next() % msrs.length]);
    case 1:
      return BigInt(next() & 0x7b);
    case 2:
      return BigInt(next() & 0xfff);
    case 3:
      return (BigInt(next()) << 32n) | BigInt(next());
    default:
      return BigInt(next() & 0x3fffff);
  }
}
