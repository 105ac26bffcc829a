/**
 * Hot records of vector instructions: moves, logic and the most frequent integer operations. They are decoded only where
 * SSE and AVX may be used (Key.VECTOR), so that their code asks nothing. Forms: x for SSE, v128 and v256 for VEX.
 */
import { argsOf, handlerOf, parseCode, type Row } from '../table.ts';

const FORMS = ['x', 'v128', 'v256'] as const;
type Form = (typeof FORMS)[number];

/** Operations of two vectors by handler name. */
const OPERATIONS: Record<string, string> = {
  pand: 'v128.and(L, R)',
  pandn: 'v128.andnot(R, L)',
  por: 'v128.or(L, R)',
  pxor: 'v128.xor(L, R)',
  paddb: 'i8x16.add(L, R)',
  paddw: 'i16x8.add(L, R)',
  paddd: 'i32x4.add(L, R)',
  paddq: 'i64x2.add(L, R)',
  psubb: 'i8x16.sub(L, R)',
  psubd: 'i32x4.sub(L, R)',
  pcmpeqb: 'i8x16.eq(L, R)',
  pcmpeqd: 'i32x4.eq(L, R)',
  pminub: 'i8x16.min_u(L, R)',
  pmuludq: 'hotMuludq(L, R)',
  punpckldq: 'v128.shuffle<u32>(L, R, 0, 4, 1, 5)',
  punpcklqdq: 'v128.shuffle<u64>(L, R, 0, 2)',
};
const ALIASES: Record<string, string> = {
  andps: 'pand', andpd: 'pand', andnps: 'pandn', andnpd: 'pandn', orps: 'por', orpd: 'por', xorps: 'pxor', xorpd: 'pxor',
}; // biome-ignore format: pairs
const SHIFTS: Record<string, string> = {
  pslldImm: 'i32x4.shl',
  psrldImm: 'i32x4.shr_u',
  psllqImm: 'i64x2.shl',
  psrlqImm: 'i64x2.shr_u',
};
/** Arithmetic on scalars: the host's operation where its result is known to be the processor's, else the handler. */
const SCALARS: Record<string, string> = { add: '+', sub: '-', mul: '*', div: '/' };
const ALIGNED = ['movdqa', 'movaps', 'movapd'];
const UNALIGNED = ['movdqu', 'movups', 'movupd', 'lddqu'];

type Define = (name: string, code: string) => void;

const A = 'load<u32>(rec, 4)';
const B = 'load<u32>(rec, 8)';
const R = 'load<u32>(rec, 12)';

/** Defines every kind; `next` goes on with the next record, `fault` leaves, `commit` ends a write through `p`. */
export function defineVectorKinds(define: Define, next: string, fault: string, commit: string): void {
  const zeroUpper = (form: Form) => (form === 'v128' ? ' v128.store(a, i64x2.splat(0), 16);' : '');
  const read = (bytes: number, mask: number) =>
    `const p = hotVectorRead(rec, ${bytes}, ${mask}); if (!p) ${fault} const a = ${A};`;
  for (const form of FORMS) {
    const bytes = form === 'v256' ? 32 : 16;
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      const apply = (from: string, plus = '') =>
        operation.replace('L', `v128.load(b${plus})`).replace('R', `v128.load(${from}${plus})`);
      const result = (from: string) =>
        form === 'v256'
          ? `const low = ${apply(from)}; v128.store(a, ${apply(from, ', 16')}, 16); v128.store(a, low);`
          : `v128.store(a, ${apply(from)});${zeroUpper(form)}`;
      define(`${name}_${form}_r`, `const a = ${A}, b = ${B}, r = ${R}; ${result('r')} ${next}`);
      define(`${name}_${form}_m`, `${read(bytes, form === 'x' ? 15 : 0)} const b = ${B}; ${result('p')} ${next}`);
    }
    const copy = (to: string, from: string) =>
      form === 'v256'
        ? `v128.store(${to}, v128.load(${from}, 16), 16); v128.store(${to}, v128.load(${from}));`
        : `v128.store(${to}, v128.load(${from}));`;
    define(`mov_${form}_r`, `const a = ${A}, r = ${R}; ${copy('a', 'r')}${zeroUpper(form)} ${next}`);
    for (const [name, mask] of [['mova', bytes - 1], ['movu', 0]] as const) {
      define(`${name}_${form}_load`, `${read(bytes, mask)} ${copy('a', 'p')}${zeroUpper(form)} ${next}`);
      define(
        `${name}_${form}_store`,
        `const p = hotVectorWrite(rec, ${bytes}, ${mask}); if (!p) ${fault} const a = ${A}; ${copy('p', 'a')} ${commit} ${next}`,
      );
    }
  }
  for (const [name, operation] of Object.entries(SHIFTS)) {
    const bits = operation.startsWith('i32') ? 32 : 64;
    define(
      `${name}_x_r`,
      `const n = load<u8>(rec, 24); v128.store(${B}, n < ${bits} ? ${operation}(v128.load(${R}), n) : i64x2.splat(0)); ${next}`,
    );
  }
  define('pshufd_x_r', `v128.store(${A}, hotShuffle(${R}, load<u8>(rec, 24))); ${next}`);
  define('pmovmskb_x_r', `store<u64>(${A}, <u64>i8x16.bitmask(v128.load(${R}))); ${next}`);
  define(
    'pmovmskb_v256_r',
    `const r = ${R}; store<u64>(${A}, <u64>(<u32>i8x16.bitmask(v128.load(r)) | <u32>i8x16.bitmask(v128.load(r, 16)) << 16)); ${next}`,
  );
  for (const bits of [32, 64]) {
    const t = `u${bits}`;
    const wide = `v128.load${bits}_zero(p)`;
    define(`movs${bits}_x_load`, `const p = hotRead<${t}>(rec); if (!p) ${fault} v128.store(${A}, ${wide}); ${next}`);
    define(
      `movs${bits}_v128_load`,
      `const p = hotRead<${t}>(rec); if (!p) ${fault} const a = ${A}; v128.store(a, ${wide}); v128.store(a, i64x2.splat(0), 16); ${next}`,
    );
    define(
      `movs${bits}_store`,
      `const p = hotWrite<${t}>(rec, false); if (!p) ${fault} store<${t}>(p, load<${t}>(${A})); ${commit} ${next}`,
    );
  }
}

/** Defines kinds that go the handler's way with `cold` where the short path does not serve. */
export function defineScalarKinds(define: Define, next: string, cold: string): void {
  for (const [suffix, type, forms] of [
    ['sd', 'f64', ['x', 'v128']],
    ['ss', 'f32', ['x']],
  ] as const) {
    for (const [name, operator] of Object.entries(SCALARS)) {
      for (const form of forms) {
        const upper = form === 'v128' ? 'v128.store(a, v128.load(b)); v128.store(a, i64x2.splat(0), 16); ' : '';
        const go = `const a = ${A}, b = ${B}, x = load<${type}>(b), y = load<${type}>(p), r = x ${operator} y; if (isQuick() && plain<${type}>(x, y, r)) { ${upper}store<${type}>(a, r); ${next} }`;
        const bytes = type === 'f64' ? 8 : 4;
        define(`${name}${suffix}_${form}_r`, `const p: usize = ${R}; ${go} ${cold}`);
        define(
          `${name}${suffix}_${form}_m`,
          `const p = hotHit(hotOffset(rec) & cpu.laMask, ${bytes}); if (p != 0) { ${go} } ${cold}`,
        );
      }
    }
  }
}

/** Names of the kinds of a row at vector form `size`: VEX rows have 1 for 128 bits and 2 for 256, others any. */
export function vectorKinds(row: Row, size: number): { register: string; memory: string } {
  const none = { register: '', memory: '' };
  const { vex } = parseCode(row.code);
  if (vex && size !== 1 && size !== 2) return none;
  const form = vex ? FORMS[size] : 'x';
  const args = argsOf(row);
  const name = (vex ? handlerOf(row).replace(/^v/, '') : handlerOf(row)).replace(/X$/, '');
  const operation = ALIASES[name] ?? name;
  if (args.length < 2) return none;
  if (operation in OPERATIONS) return { register: `${operation}_${form}_r`, memory: `${operation}_${form}_m` };
  if (ALIGNED.includes(name) || UNALIGNED.includes(name)) {
    const move = ALIGNED.includes(name) ? 'mova' : 'movu';
    if (/^[WM]/.test(args[0])) return { register: '', memory: `${move}_${form}_store` };
    return { register: args[1].startsWith('M') ? '' : `mov_${form}_r`, memory: `${move}_${form}_load` };
  }
  const arithmetic = /^(add|sub|mul|div)(sd|ss)$/.test(name) && (!vex || name.endsWith('sd'));
  if (arithmetic) return { register: `${name}_${form === 'v256' ? 'v128' : form}_r`, memory: `${name}_${form === 'v256' ? 'v128' : form}_m` };
  if (!vex && (name in SHIFTS || name === 'pshufd')) return { register: `${name}_x_r`, memory: '' };
  if (name === 'pmovmskb') return { register: form === 'v256' ? 'pmovmskb_v256_r' : 'pmovmskb_x_r', memory: '' };
  const scalar = /^mov(ss|sd)(Store)?$/.exec(name);
  if (scalar) {
    const bits = scalar[1] === 'ss' ? 32 : 64;
    if (/^[WM]/.test(args[0])) return { register: '', memory: `movs${bits}_store` };
    return { register: '', memory: `movs${bits}_${vex ? 'v128' : 'x'}_load` };
  }
  return none;
}
