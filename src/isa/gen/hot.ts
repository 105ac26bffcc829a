/**
 * The hot records: operand forms common enough to have their own case in the interpreter's switch. Everything else goes
 * through the handlers of assembly/ops. A kind is a name, the instructions that it stands for, and its code.
 */
import { defineScalarKinds, defineVectorKinds } from './hot-vector.ts';
import { defineX87Kinds } from './hot-x87.ts';

export interface Kind {
  readonly name: string;
  /** Retired instructions. */
  readonly weight: number;
  readonly code: string;
}

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const BITS = [8, 32, 64];
export const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];
/** Conditions that fused compares and tests exist for. */
const CMP_CONDITIONS = [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15];
const TEST_CONDITIONS = [4, 5, 8, 9, 14, 15];

const kinds: Kind[] = [];
const indexes = new Map<string, number>();
const define = (name: string, code: string, weight = 1) => {
  indexes.set(name, kinds.length);
  kinds.push({ name, weight, code });
};
const NEXT = 'rec += 32; continue;';
const FAULT = '{ link = FAULT; break; }';
/** A write through pointer p, with the way out when it changed the running block. */
const COMMIT = 'if (p == <u32>BOUNCE && commitBounce()) { link = LEAVE; break; }';
const u = (bits: number) => `u${bits}`;
const upper = (text: string) => text.toUpperCase();

define('dead', 'cpu.budget += <i32>load<u16>(cpu.block); store<u32>(link, 0, 4); link = LINK_NONE; break;');
define('dead_pair', 'cpu.budget += <i32>load<u16>(cpu.block); store<u32>(link, 0, 4); link = LINK_NONE; break;', 2);
define('end', 'link = rec + 4; break;', 0);
define('end_slow', 'cpu.blockRip += <u64>load<u32>(rec, 4); link = LINK_NONE; break;', 0);
define('end_jump', 'link = LINK_NONE; break;', 0);
define('skip', NEXT, 0);
define('nop', NEXT);

for (const op of ALU) {
  for (const bits of BITS) {
    const t = u(bits);
    const compare = op === 'cmp';
    const call = (left: string, right: string) =>
      `${compare ? 'hotCmp' : `hotAlu`}<${t}>(${compare ? '' : `Alu.${upper(op)}, `}${left}, ${right})`;
    const put = (value: string) => (compare ? `${value};` : `setReg<${t}>(a, ${value});`);
    define(
      `${op}_r${bits}`,
      `const a = load<u32>(rec, 4); ${put(call(`load<${t}>(a)`, `load<${t}>(load<u32>(rec, 8))`))} ${NEXT}`,
    );
    define(
      `${op}_rm${bits}`,
      `const p = hotRead<${t}>(rec); if (!p) ${FAULT} const a = load<u32>(rec, 4); ${put(call(`load<${t}>(a)`, `load<${t}>(p)`))} ${NEXT}`,
    );
    if (compare)
      define(
        `${op}_mr${bits}`,
        `const p = hotRead<${t}>(rec); if (!p) ${FAULT} ${call(`load<${t}>(p)`, `load<${t}>(load<u32>(rec, 4))`)}; ${NEXT}`,
      );
    else
      define(
        `${op}_mr${bits}`,
        `const p = hotWrite<${t}>(rec, true); if (!p) ${FAULT} store<${t}>(p, ${call(`load<${t}>(p)`, `load<${t}>(load<u32>(rec, 4))`)}); ${COMMIT} ${NEXT}`,
      );
  }
}
for (const bits of BITS) {
  const t = u(bits);
  define(`test_r${bits}`, `flagsLogic<${t}>(load<${t}>(load<u32>(rec, 4)) & load<${t}>(load<u32>(rec, 8))); ${NEXT}`);
  define(
    `test_mr${bits}`,
    `const p = hotRead<${t}>(rec); if (!p) ${FAULT} flagsLogic<${t}>(load<${t}>(p) & load<${t}>(load<u32>(rec, 4))); ${NEXT}`,
  );
}
for (const bits of [8, 16, 32, 64]) {
  const t = u(bits);
  define(`mov_r${bits}`, `setReg<${t}>(load<u32>(rec, 4), load<${t}>(load<u32>(rec, 8))); ${NEXT}`);
  define(
    `mov_rm${bits}`,
    `const p = hotRead<${t}>(rec); if (!p) ${FAULT} setReg<${t}>(load<u32>(rec, 4), load<${t}>(p)); ${NEXT}`,
  );
  define(
    `mov_mr${bits}`,
    `const p = hotWrite<${t}>(rec, false); if (!p) ${FAULT} store<${t}>(p, load<${t}>(load<u32>(rec, 4))); ${COMMIT} ${NEXT}`,
  );
}
for (const [name, from, to] of [
  ['movzxB', 'u8', 'u32'],
  ['movzxW', 'u16', 'u32'],
  ['movsxB', 'i8', 'u32'],
  ['movsxW', 'i16', 'u32'],
  ['movsxB', 'i8', 'u64'],
  ['movsxW', 'i16', 'u64'],
  ['movsxd', 'i32', 'u64'],
]) {
  // biome-ignore format: a list
  const value = (pointer: string) => (to === 'u32' ? `<u32>load<${from}>(${pointer})` : `<u64><i64>load<${from}>(${pointer})`);
  const size = from.slice(1) === '8' ? 'u8' : from.slice(1) === '16' ? 'u16' : 'u32';
  define(`${name}_r${to.slice(1)}`, `setReg<${to}>(load<u32>(rec, 4), ${value('load<u32>(rec, 8)')}); ${NEXT}`);
  define(
    `${name}_rm${to.slice(1)}`,
    `const p = hotRead<${size}>(rec); if (!p) ${FAULT} setReg<${to}>(load<u32>(rec, 4), ${value('p')}); ${NEXT}`,
  );
}
/** Rotates whose OF stays, then what leaves flags undefined: by Intel's rule, and in the same order by AMD's. */
defineRotates('keep_', 'KEEP');
defineRotates('', 'INTEL');
defineByRule('', 'INTEL');
defineRotates('amd_', 'AMD');
defineByRule('amd_', 'AMD');

function defineRotates(prefix: string, rule: string): void {
  for (const bits of [32, 64]) for (const op of ['rol', 'ror']) defineShift(prefix, op, bits, rule);
}
function defineShift(prefix: string, op: string, bits: number, rule: string): void {
  const t = u(bits);
  const shifted = `hotShift<${t}>(Shift.${upper(op)}, load<${t}>(a), load<u8>(load<u32>(rec, 8)), Rule.${rule})`;
  define(`${prefix}${op}_r${bits}`, `const a = load<u32>(rec, 4); setReg<${t}>(a, ${shifted}); ${NEXT}`);
}
function defineByRule(prefix: string, rule: string): void {
  for (const bits of [32, 64]) {
    const t = u(bits);
    for (const op of ['shl', 'shr', 'sar']) defineShift(prefix, op, bits, rule);
    const product = (left: string, right: string) => `hotImul<${t}>(load<${t}>(${left}), load<${t}>(${right}), Rule.${rule})`;
    const read = `const p = hotRead<${t}>(rec); if (!p) ${FAULT}`;
    const to = 'load<u32>(rec, 4)';
    const from = 'load<u32>(rec, 8)';
    define(`${prefix}imul2_r${bits}`, `const a = ${to}; setReg<${t}>(a, ${product('a', from)}); ${NEXT}`);
    define(`${prefix}imul2_rm${bits}`, `${read} const a = ${to}; setReg<${t}>(a, ${product('a', 'p')}); ${NEXT}`);
    define(`${prefix}imul3_r${bits}`, `setReg<${t}>(${to}, ${product(from, 'rec + 24')}); ${NEXT}`);
    define(`${prefix}imul3_rm${bits}`, `${read} setReg<${t}>(${to}, ${product('p', 'rec + 24')}); ${NEXT}`);
  }
}

for (const bits of [32, 64]) {
  const t = u(bits);
  define(`lea_rm${bits}`, `setReg<${t}>(load<u32>(rec, 4), <${t}>hotOffset(rec)); ${NEXT}`);
  for (const op of ['inc', 'dec', 'neg', 'not']) {
    define(
      `${op}_r${bits}`,
      `const a = load<u32>(rec, 4); setReg<${t}>(a, hotUnary<${t}>(Unary.${upper(op)}, load<${t}>(a))); ${NEXT}`,
    );
  }
  for (const op of ['inc', 'dec']) {
    define(
      `${op}_mr${bits}`,
      `const p = hotWrite<${t}>(rec, true); if (!p) ${FAULT} store<${t}>(p, hotUnary<${t}>(Unary.${upper(op)}, load<${t}>(p))); ${COMMIT} ${NEXT}`,
    );
  }
  define(
    `cbw_${bits}`,
    bits === 32
      ? `store<u64>(GPR, <u64><u32><i32>load<i16>(GPR)); ${NEXT}`
      : `store<u64>(GPR, <u64><i64>load<i32>(GPR)); ${NEXT}`,
  );
  define(
    `cwd_${bits}`,
    bits === 32
      ? `store<u64>(GPR + 16, <u64><u32>(load<i32>(GPR) >> 31)); ${NEXT}`
      : `store<u64>(GPR + 16, <u64>(load<i64>(GPR) >> 63)); ${NEXT}`,
  );
  define(
    `push_r${bits}`,
    `const v = load<${t}>(load<u32>(rec, 4)); const p = hotPush<${t}>(); if (!p) ${FAULT} store<${t}>(p, v); hotPushed<${t}>(); ${COMMIT} ${NEXT}`,
  );
  define(
    `pop_r${bits}`,
    `const p = hotPop<${t}>(); if (!p) ${FAULT} const v = load<${t}>(p); hotPopped<${t}>(); setReg<${t}>(load<u32>(rec, 4), v); ${NEXT}`,
  );
  const after = 'cpu.blockRip + load<u32>(rec, 24)';
  const to = (pointer: string, check = 'hotTarget(to)') =>
    `const to = <u64>load<${t}>(${pointer});${bits === 64 ? ` if (!${check}) ${FAULT}` : ''}`;
  const go = 'cpu.blockRip = to; link = LINK_NONE; break;';
  const read = `const q = hotRead<${t}>(rec); if (!q) ${FAULT}`;
  const pushRip = `const p = hotPush<${t}>(); if (!p) ${FAULT} store<${t}>(p, <${t}>(${after})); hotPushed<${t}>(); if (p == <u32>BOUNCE) commitBounce();`;
  const callCheck = `hotCallTarget(to, ${after})`;
  define(`call_${bits}`, `${pushRip} link = rec + 4; break;`);
  define(`call_r${bits}`, `${to('load<u32>(rec, 4)', callCheck)} ${pushRip} ${go}`);
  define(`call_m${bits}`, `${read} ${to('q', callCheck)} ${pushRip} ${go}`);
  define(`jmp_r${bits}`, `${to('load<u32>(rec, 4)')} ${go}`);
  define(`jmp_m${bits}`, `${read} ${to('q')} ${go}`);
  define(`ret_${bits}`, `const q = hotPop<${t}>(); if (!q) ${FAULT} ${to('q')} hotPopped<${t}>(); ${go}`);
}
define('jmp', 'link = rec + 4; break;');
for (const [c, name] of CONDITIONS.entries()) {
  define(`jcc_${name}`, `link = rec + (condition(${c}) ? 4 : 12); break;`);
  define(`setcc_${name}`, `store<u8>(load<u32>(rec, 4), condition(${c}) ? 1 : 0); ${NEXT}`);
  define(
    `cmov_${name}32`,
    `const a = load<u32>(rec, 4); store<u64>(a, <u64>(condition(${c}) ? load<u32>(load<u32>(rec, 8)) : load<u32>(a))); ${NEXT}`,
  );
  define(`cmov_${name}64`, `if (condition(${c})) store<u64>(load<u32>(rec, 4), load<u64>(load<u32>(rec, 8))); ${NEXT}`);
}
for (const [form, left, right, list] of [
  ['cmp_r', 'load<T>(load<u32>(rec, 4))', 'load<T>(load<u32>(rec, 8))', CMP_CONDITIONS],
  ['cmp_rm', 'load<T>(load<u32>(rec, 4))', 'load<T>(p)', CMP_CONDITIONS],
  ['cmp_mr', 'load<T>(p)', 'load<T>(load<u32>(rec, 4))', CMP_CONDITIONS],
  ['test_r', 'load<T>(load<u32>(rec, 4))', 'load<T>(load<u32>(rec, 8))', TEST_CONDITIONS],
  ['test_mr', 'load<T>(p)', 'load<T>(load<u32>(rec, 4))', TEST_CONDITIONS],
] as const) {
  for (const bits of BITS) {
    const t = u(bits);
    const typed = (text: string) => text.replaceAll('<T>', `<${t}>`);
    const read = left.includes('(p)') || right.includes('(p)') ? `const p = hotRead<${t}>(rec); if (!p) ${FAULT} ` : '';
    const fn = form.startsWith('cmp') ? 'fusedCmp' : 'fusedTest';
    for (const c of list)
      define(
        `${form}${bits}_${CONDITIONS[c]}`,
        `${read}link = rec + (${fn}<${t}>(${c}, ${typed(left)}, ${typed(right)}) ? 36 : 44); break;`,
        2,
      );
  }
}

defineVectorKinds(define, NEXT, FAULT, COMMIT);
/** Kinds from here on have whole records, which their handlers can execute as well. */
export const FIRST_WHOLE = kinds.length;
const COLD = `if (runCold(rec)) { ${NEXT} } link = cpu.pending != 0 ? FAULT : LEAVE; break;`;
defineX87Kinds(define, NEXT, COLD);
defineScalarKinds(define, NEXT, COLD);

export const HOT: readonly Kind[] = kinds;
/** Number of the hot kind `name`, or 0. */
export const kindOf = (name: string): number => indexes.get(name) ?? 0;
/** For a compare or test kind: the fused kinds by condition, 0 where there is none. */
export function fusedKinds(name: string): number[] {
  return CONDITIONS.map((condition) => kindOf(`${name}_${condition}`));
}
