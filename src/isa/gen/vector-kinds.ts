/** Which hot kinds serve a row of the vector or x87 tables. */
import { isVectorOperation, VECTOR_FORMS, VECTOR_SHIFTS } from '../hot/vector.ts';
import { X87_FUNCTIONS } from '../hot/x87.ts';
import { argsOf, handlerOf, parseCode, type Row } from '../table.ts';

/** Bitwise operations on floating-point numbers are those on integers. */
const BITWISE: Record<string, string> = {
  andps: 'pand', andpd: 'pand', andnps: 'pandn', andnpd: 'pandn', orps: 'por', orpd: 'por', xorps: 'pxor', xorpd: 'pxor',
}; // biome-ignore format: pairs
const ALIGNED = ['movdqa', 'movaps', 'movapd'];
const UNALIGNED = ['movdqu', 'movups', 'movupd', 'lddqu'];

/** Names of the kinds of a row at vector form `size`: VEX rows have 1 for 128 bits and 2 for 256, others any. */
export function vectorKinds(row: Row, size: number): { register: string; memory: string } {
  const none = { register: '', memory: '' };
  const { vex } = parseCode(row.code);
  if (vex && size !== 1 && size !== 2) return none;
  const form = vex ? VECTOR_FORMS[size] : 'x';
  const args = argsOf(row);
  const name = (vex ? handlerOf(row).replace(/^v/, '') : handlerOf(row)).replace(/X$/, '');
  const operation = BITWISE[name] ?? name;
  if (args.length < 2) return none;
  if (isVectorOperation(operation)) return { register: `${operation}_${form}_r`, memory: `${operation}_${form}_m` };
  if (ALIGNED.includes(name) || UNALIGNED.includes(name)) {
    const move = ALIGNED.includes(name) ? 'mova' : 'movu';
    if (/^[WM]/.test(args[0])) return { register: '', memory: `${move}_${form}_store` };
    return { register: args[1].startsWith('M') ? '' : `mov_${form}_r`, memory: `${move}_${form}_load` };
  }
  const arithmetic = /^(add|sub|mul|div)(sd|ss)$/.test(name) && (!vex || name.endsWith('sd'));
  if (arithmetic)
    return {
      register: `${name}_${form === 'v256' ? 'v128' : form}_r`,
      memory: `${name}_${form === 'v256' ? 'v128' : form}_m`,
    };
  if (!vex && (VECTOR_SHIFTS.includes(name) || name === 'pshufd')) return { register: `${name}_x_r`, memory: '' };
  if (name === 'pmovmskb') return { register: form === 'v256' ? 'pmovmskb_v256_r' : 'pmovmskb_x_r', memory: '' };
  const scalar = /^mov(ss|sd)(Store)?$/.exec(name);
  if (scalar) {
    const bits = scalar[1] === 'ss' ? 32 : 64;
    if (/^[WM]/.test(args[0])) return { register: '', memory: `movs${bits}_store` };
    return { register: '', memory: `movs${bits}_${vex ? 'v128' : 'x'}_load` };
  }
  return none;
}

/** Undocumented aliases, which pop by other bits than those that the functions look at. */
const ALIASES = ['DE /2 r', 'DF /2 r'];

/** The kind of a row, '' where it has none. */
export const x87Kind = (row: Row): string => (ALIASES.includes(row.code) ? '' : (X87_FUNCTIONS[handlerOf(row)] ?? ''));
