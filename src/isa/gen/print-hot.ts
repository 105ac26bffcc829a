/**
 * The one printer of hot rows as AssemblyScript: the code of a case of the interpreter's switch. `i` is the record
 * (assembly/isa/record.ts), `link` says where a block that ends goes on, `p` is a host pointer to memory.
 */
import type { HotRow } from '../hot/row.ts';
import { FAULT, LEAVE, NEXT, type Onward } from './onward.ts';
import { printVector } from './print-hot-vector.ts';

/** A case of its own. */
const ALONE: Onward = { next: NEXT, stored: `if (p == <u32>BOUNCE && commitBounce()) ${LEAVE} ${NEXT}` };

const upper = (text: string) => text.toUpperCase();
const unsigned = (width: number) => `u${width}`;

/** Before the second of two joined records; a store may have changed that one, so that it is looked at anew. */
const JOINED: Onward = {
  next: 'i = after(i);',
  stored: `if (p == <u32>BOUNCE) { if (commitBounce()) ${LEAVE} ${NEXT} } i = after(i);`,
};

/** The code of a case. `known` gives rows by name. */
export function printCase(row: HotRow, known: (name: string) => HotRow): string {
  if (!row.joined) return printHot(row, ALONE);
  return `{ ${printHot(row, JOINED)} } { ${printHot(known(row.joined), ALONE)} }`;
}

function printHot(row: HotRow, onward: Onward): string {
  if (row.vector || row.form === 'whole') return printVector(row, onward);
  switch (row.form) {
    case 'links':
    case 'none':
      return printImplied(row, onward);
    case 'one':
    case 'mem':
      return printUnary(row, onward);
    default:
      return row.condition !== undefined && row.ends ? printFused(row) : printBinary(row, onward);
  }
}

const read = (row: HotRow, width = row.width) =>
  `const p = hotRead${row.near ? 'Near' : ''}<${unsigned(width)}>(i); if (!p) ${FAULT}`;
const write = (row: HotRow, keep: boolean) =>
  `const p = hotWrite${row.near ? 'Near' : ''}<${unsigned(row.width)}>(i, ${keep}); if (!p) ${FAULT}`;

/** The value of an operation on values of the row's width. */
function operation(row: HotRow, left: string, right: string): string {
  const t = unsigned(row.width);
  switch (row.op) {
    case 'mov':
      return right;
    case 'imul':
      if (row.quiet) return `<${t}>(${left} * ${right})`;
      return `hotImul<${t}>(${left}, ${right}, Rule.${row.rule})`;
    default:
      return `${row.quiet ? 'quietAlu' : 'hotAlu'}<${t}>(Alu.${upper(row.op)}, ${left}, ${right})`;
  }
}

/** An extending move's value of what lies at `pointer`. */
function extended({ source, width }: HotRow, pointer: string): string {
  const value = `load<${source!.signed ? 'i' : 'u'}${source!.width}>(${pointer})`;
  return width === 32 ? `<u32>${value}` : `<u64><i64>${value}`;
}

function printBinary(row: HotRow, { next, stored }: Onward): string {
  const t = unsigned(row.width);
  const at = (pointer: string) => `load<${t}>(${pointer})`;
  const put = (value: string) => `setReg<${t}>(i.a, ${value});`;
  switch (row.op) {
    case 'lea':
      return `${put(`<${t}>${row.near ? 'hotNear' : 'hotOffset'}(i)`)} ${next}`;
    case 'extend':
      if (row.form === 'r') return `${put(extended(row, 'i.b'))} ${next}`;
      return `${read(row, row.source!.width)} ${put(extended(row, 'p'))} ${next}`;
    case 'cmp':
    case 'test': {
      const compare = (left: string, right: string) =>
        row.op === 'cmp' ? `hotCmp<${t}>(${left}, ${right});` : `flagsLogic<${t}>(${left} & ${right});`;
      if (row.form === 'r') return `${compare(at('i.a'), at('i.b'))} ${next}`;
      return `${read(row)} ${row.form === 'rm' ? compare(at('i.a'), at('p')) : compare(at('p'), at('i.a'))} ${next}`;
    }
    case 'cmov':
      if (row.width === 64) return `if (condition(${row.condition})) store<u64>(i.a, load<u64>(i.b)); ${next}`;
      return `const a = i.a; store<u64>(a, <u64>(condition(${row.condition}) ? load<u32>(i.b) : load<u32>(a))); ${next}`;
    case 'rol':
    case 'ror':
    case 'shl':
    case 'shr':
    case 'sar':
      if (row.quiet)
        return `const a = i.a; setReg<${t}>(a, quietShift<${t}>(Shift.${upper(row.op)}, ${at('a')}, load<u8>(i.b))); ${next}`;
      return `const a = i.a; setReg<${t}>(a, hotShift<${t}>(Shift.${upper(row.op)}, ${at('a')}, load<u8>(i.b), Rule.${row.rule})); ${next}`;
  }
  const own = row.op === 'mov' ? put : (value: string) => `const a = i.a; setReg<${t}>(a, ${value});`;
  switch (row.form) {
    case 'r':
      return `${own(operation(row, at('a'), at('i.b')))} ${next}`;
    case 'rm':
      return `${read(row)} ${own(operation(row, at('a'), at('p')))} ${next}`;
    case 'mr':
      return `${write(row, row.op !== 'mov')} store<${t}>(p, ${operation(row, at('p'), at('i.a'))}); ${stored}`;
    case 'ri':
      return `${put(operation(row, at('i.b'), at('immediate(i)')))} ${next}`;
    case 'mi':
      return `${read(row)} ${put(operation(row, at('p'), at('immediate(i)')))} ${next}`;
  }
  throw new Error(`hot row ${row.name}: no printer`);
}

/** A compare or test joined with its jump. */
function printFused(row: HotRow): string {
  const t = unsigned(row.width);
  const at = (pointer: string) => `load<${t}>(${pointer})`;
  const fn = row.op === 'cmp' ? 'fusedCmp' : 'fusedTest';
  const [left, right] = row.form === 'r' ? ['i.a', 'i.b'] : row.form === 'rm' ? ['i.a', 'p'] : ['p', 'i.a'];
  const yes = `${fn}<${t}>(${row.condition}, ${at(left)}, ${at(right)})`;
  return `${row.form === 'r' ? '' : `${read(row)} `}link = changetype<usize>(i) + RECORD + (${yes} ? TAKEN : NOT_TAKEN); break;`;
}

const PUSH = (t: string, value: string, done: string) =>
  `const p = hotPush<${t}>(); if (!p) ${FAULT} store<${t}>(p, ${value}); hotPushed<${t}>(); ${done}`;
/** Jumps to `to`. */
const GO = 'cpu.blockRip = to; link = LINK_NONE; break;';
const RETURN_ADDRESS = 'cpu.blockRip + <u32>i.imm';

/** Loads the target of an indirect jump; in 64-bit mode it may be no address. */
function target(row: HotRow, pointer: string, check: string): string {
  const to = `const to = <u64>load<${unsigned(row.width)}>(${pointer});`;
  return row.width === 64 ? `${to} if (!${check}) ${FAULT}` : to;
}
/** Pushes the return address. What a write to code kills is left at the block's end in any case. */
function pushReturn(t: string): string {
  return PUSH(t, `<${t}>(${RETURN_ADDRESS})`, 'if (p == <u32>BOUNCE) commitBounce();');
}

function printUnary(row: HotRow, { next, stored }: Onward): string {
  const t = unsigned(row.width);
  const memory = row.form === 'mem';
  switch (row.op) {
    case 'setcc':
      return `store<u8>(i.a, condition(${row.condition}) ? 1 : 0); ${next}`;
    case 'push':
      return `const v = load<${t}>(i.a); ${PUSH(t, 'v', stored)}`;
    case 'pop':
      return `const p = hotPop<${t}>(); if (!p) ${FAULT} const v = load<${t}>(p); hotPopped<${t}>(); setReg<${t}>(i.a, v); ${next}`;
    case 'jmp':
    case 'call': {
      const check = row.op === 'call' ? `hotCallTarget(to, ${RETURN_ADDRESS})` : 'hotTarget(to)';
      const to = memory
        ? `const q = hotRead<${t}>(i); if (!q) ${FAULT} ${target(row, 'q', check)}`
        : target(row, 'i.a', check);
      return `${to} ${row.op === 'call' ? `${pushReturn(t)} ` : ''}${GO}`;
    }
  }
  const value = (pointer: string) =>
    `${row.quiet ? 'quietUnary' : 'hotUnary'}<${t}>(Unary.${upper(row.op)}, load<${t}>(${pointer}))`;
  if (memory) return `${write(row, true)} store<${t}>(p, ${value('p')}); ${stored}`;
  return `const a = i.a; setReg<${t}>(a, ${value('a')}); ${next}`;
}

function printImplied(row: HotRow, { next }: Onward): string {
  const wide = row.width === 64;
  switch (row.op) {
    case 'dead':
      return 'cpu.budget += <i32>changetype<Block>(<usize>cpu.block).count; changetype<Link>(link).chain = NO_CHAIN; link = LINK_NONE; break;';
    case 'end':
    case 'jmp':
      return 'link = changetype<usize>(i) + TAKEN; break;';
    case 'endSlow':
      return 'cpu.blockRip += <u64>i.a; link = LINK_NONE; break;';
    case 'endJump':
      return 'link = LINK_NONE; break;';
    case 'nop':
      return next;
    case 'jcc':
      return `link = changetype<usize>(i) + (condition(${row.condition}) ? TAKEN : NOT_TAKEN); break;`;
    case 'cbw':
      return `store<u64>(GPR, ${wide ? '<u64><i64>load<i32>(GPR)' : '<u64><u32><i32>load<i16>(GPR)'}); ${next}`;
    case 'cwd':
      return `store<u64>(GPR + 16, ${wide ? '<u64>(load<i64>(GPR) >> 63)' : '<u64><u32>(load<i32>(GPR) >> 31)'}); ${next}`;
    case 'call':
      return `${pushReturn(unsigned(row.width))} link = changetype<usize>(i) + TAKEN; break;`;
    case 'ret':
      return `const q = hotPop<${unsigned(row.width)}>(); if (!q) ${FAULT} ${target(row, 'q', 'hotTarget(to)')} hotPopped<${unsigned(row.width)}>(); ${GO}`;
  }
  throw new Error(`hot row ${row.name}: no printer`);
}
