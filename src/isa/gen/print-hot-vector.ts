/** The printer's part for vector rows, and for those that leave what is rare to the handler. */
import type { HotRow } from '../hot/row.ts';
import { FAULT, type Onward } from './onward.ts';

/** What two vectors become, as code. */
const OPERATIONS: Record<string, (left: string, right: string) => string> = {
  pand: (l, r) => `v128.and(${l}, ${r})`,
  pandn: (l, r) => `v128.andnot(${r}, ${l})`,
  por: (l, r) => `v128.or(${l}, ${r})`,
  pxor: (l, r) => `v128.xor(${l}, ${r})`,
  paddb: (l, r) => `i8x16.add(${l}, ${r})`,
  paddw: (l, r) => `i16x8.add(${l}, ${r})`,
  paddd: (l, r) => `i32x4.add(${l}, ${r})`,
  paddq: (l, r) => `i64x2.add(${l}, ${r})`,
  psubb: (l, r) => `i8x16.sub(${l}, ${r})`,
  psubd: (l, r) => `i32x4.sub(${l}, ${r})`,
  pcmpeqb: (l, r) => `i8x16.eq(${l}, ${r})`,
  pcmpeqd: (l, r) => `i32x4.eq(${l}, ${r})`,
  pminub: (l, r) => `i8x16.min_u(${l}, ${r})`,
  pmuludq: (l, r) => `hotMuludq(${l}, ${r})`,
  punpckldq: (l, r) => `v128.shuffle<u32>(${l}, ${r}, 0, 4, 1, 5)`,
  punpcklqdq: (l, r) => `v128.shuffle<u64>(${l}, ${r}, 0, 2)`,
};
/** Shifts by an immediate: bits of an element, and the operator. */
const SHIFTS: Record<string, [bits: number, operator: string]> = {
  pslldImm: [32, 'i32x4.shl'],
  psrldImm: [32, 'i32x4.shr_u'],
  psllqImm: [64, 'i64x2.shl'],
  psrlqImm: [64, 'i64x2.shr_u'],
};
const SCALARS: Record<string, string> = { addScalar: '+', subScalar: '-', mulScalar: '*', divScalar: '/' };

/** VEX of 128 bits clears the upper half of its destination. */
const zeroUpper = (row: HotRow) => (row.vector === 'v128' ? ' v128.store(a, i64x2.splat(0), 16);' : '');

function access(fn: string, row: HotRow): string {
  const bytes = row.width / 8;
  return `const p = ${fn}(i, ${bytes}, ${row.aligned ? bytes - 1 : 0}); if (!p) ${FAULT}`;
}

export function printVector(row: HotRow, onward: Onward): string {
  const { next } = onward;
  if (row.form === 'whole')
    return row.op in SCALARS ? printScalar(row, next) : `if (${row.op}(i)) { ${next} } ${COLD(next)}`;
  switch (row.op) {
    case 'mov':
      return printMove(row, onward);
    case 'movs':
      return printScalarMove(row, onward);
    case 'pshufd':
      return `v128.store(i.a, hotShuffle(i.base, load<u8>(immediate(i)))); ${next}`;
    case 'pmovmskb':
      if (row.vector === 'x') return `store<u64>(i.a, <u64>i8x16.bitmask(v128.load(i.base))); ${next}`;
      return `const r = i.base; store<u64>(i.a, <u64>(<u32>i8x16.bitmask(v128.load(r)) | <u32>i8x16.bitmask(v128.load(r, 16)) << 16)); ${next}`;
  }
  if (row.form === 'vi') {
    const [bits, operator] = SHIFTS[row.op];
    return `const n = load<u8>(immediate(i)); v128.store(i.b, n < ${bits} ? ${operator}(v128.load(i.base), n) : i64x2.splat(0)); ${next}`;
  }
  const apply = (from: string, plus = '') => OPERATIONS[row.op](`v128.load(b${plus})`, `v128.load(${from}${plus})`);
  const result = (from: string) =>
    row.vector === 'v256'
      ? `const low = ${apply(from)}; v128.store(a, ${apply(from, ', 16')}, 16); v128.store(a, low);`
      : `v128.store(a, ${apply(from)});${zeroUpper(row)}`;
  if (row.form === 'vr') return `const a = i.a, b = i.b, r = i.base; ${result('r')} ${next}`;
  return `${access('hotVectorRead', row)} const a = i.a; const b = i.b; ${result('p')} ${next}`;
}

function printMove(row: HotRow, { next, stored }: Onward): string {
  const copy = (to: string, from: string) =>
    row.vector === 'v256'
      ? `v128.store(${to}, v128.load(${from}, 16), 16); v128.store(${to}, v128.load(${from}));`
      : `v128.store(${to}, v128.load(${from}));`;
  switch (row.form) {
    case 'vr':
      return `const a = i.a, r = i.base; ${copy('a', 'r')}${zeroUpper(row)} ${next}`;
    case 'load':
      return `${access('hotVectorRead', row)} const a = i.a; ${copy('a', 'p')}${zeroUpper(row)} ${next}`;
    default:
      return `${access('hotVectorWrite', row)} const a = i.a; ${copy('p', 'a')} ${stored}`;
  }
}
function printScalarMove(row: HotRow, { next, stored }: Onward): string {
  const t = `u${row.width}`;
  if (row.form === 'store')
    return `const p = hotWrite<${t}>(i, false); if (!p) ${FAULT} store<${t}>(p, load<${t}>(i.a)); ${stored}`;
  const wide = `v128.load${row.width}_zero(p)`;
  return `const p = hotRead<${t}>(i); if (!p) ${FAULT} const a = i.a; v128.store(a, ${wide});${zeroUpper(row)} ${next}`;
}

/** The handler's way. */
const COLD = (next: string) => `if (runCold(i)) { ${next} } link = cpu.pending != 0 ? FAULT : LEAVE; break;`;

function printScalar(row: HotRow, next: string): string {
  const type = `f${row.width}`;
  const upper = row.vector === 'v128' ? 'v128.store(a, v128.load(b)); v128.store(a, i64x2.splat(0), 16); ' : '';
  const value = `x ${SCALARS[row.op]} y`;
  const go = `const a = i.a, b = i.b, x = load<${type}>(b), y = load<${type}>(p), r = ${value}; if (isQuick() && plain<${type}>(x, y, r)) { ${upper}store<${type}>(a, r); ${next} }`;
  if (row.memory === 'none') return `const p: usize = i.base; ${go} ${COLD(next)}`;
  return `const p = hotHit(hotOffset(i) & cpu.laMask, ${row.width / 8}); if (p != 0) { ${go} } ${COLD(next)}`;
}
