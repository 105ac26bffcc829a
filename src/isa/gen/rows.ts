/** Which hot kinds serve a row: the association of table rows with the interpreter's specialised cases. */

import { kindOf } from '../hot/index.ts';
import { CONDITIONS } from '../hot/row.ts';
import { argsOf, handlerOf, type Row } from '../table.ts';
import { usesOf } from './uses.ts';
import { vectorKinds, x87Kind } from './vector-kinds.ts';

const BITS = ['8', '16', '32', '64'];
const BINARY = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp', 'test', 'mov'];

/** The condition that the low four bits of the opcode name, for jcc, setcc and cmovcc rows. */
function conditionOf(row: Row): string {
  const opcode = Number.parseInt(/([0-9A-F]{2})\+?(?: |$)/.exec(row.code.replace(/^0F /, ''))?.[1] ?? '0', 16);
  return CONDITIONS[opcode & 15];
}

/** Hot kinds of a row at operand size 0..3 (8, 16, 32, 64 bits): with a register or no r/m operand, and with memory. */
export function hotKinds(row: Row, size: number): { register: number; memory: number } {
  const fn = handlerOf(row);
  const args = argsOf(row);
  const bits = BITS[size];
  const pair = (register: string, memory = '') => ({ register: kindOf(register), memory: kindOf(memory) });
  const uses = usesOf(row);
  if (uses.includes('x87')) {
    const name = size === 0 ? x87Kind(row) : '';
    return pair(name, name);
  }
  if (uses.includes('mmx')) return pair('');
  if (uses.includes('sse') || uses.includes('vex')) {
    const { register, memory } = vectorKinds(row, size);
    return pair(register, memory);
  }
  if (fn.endsWith('Sreg') || row.op.startsWith('cmpxchg')) return pair('');
  if (BINARY.includes(fn)) {
    const memoryFirst = /^[EMO]/.test(args[0]);
    const memory = args.some((arg) => /^[EMO]/.test(arg)) ? `${fn}_${memoryFirst ? 'mr' : 'rm'}${bits}` : '';
    return pair(args.some((arg) => arg.startsWith('O')) ? '' : `${fn}_r${bits}`, memory);
  }
  switch (fn) {
    case 'nop':
    case 'endbr32':
    case 'endbr64':
      return pair('nop', 'nop');
    case 'jcc':
      return pair(size === 1 ? '' : `jcc_${conditionOf(row)}`);
    case 'setcc':
      return pair(`setcc_${conditionOf(row)}`);
    case 'cmovcc':
      return pair(`cmov_${conditionOf(row)}${bits}`);
    case 'jmp':
      return pair(size === 1 ? '' : 'jmp');
    case 'jmpTo':
      return pair(`jmp_r${bits}`, `jmp_m${bits}`);
    case 'call':
      return pair(`call_${bits}`);
    case 'callTo':
      return pair(`call_r${bits}`, `call_m${bits}`);
    case 'ret':
      return pair(`ret_${bits}`);
    case 'cbw':
    case 'cwd':
      return pair(`${fn}_${bits}`);
    case 'lea':
      return pair('', `lea_rm${bits}`);
    case 'movzxB':
    case 'movzxW':
      return pair(`${fn}_r${size === 3 ? '32' : bits}`, `${fn}_rm${size === 3 ? '32' : bits}`);
    case 'inc':
    case 'dec':
    case 'neg':
    case 'not':
    case 'shl':
    case 'shr':
    case 'sar':
    case 'rol':
    case 'ror':
    case 'push':
    case 'pop':
      return pair(`${fn}_r${bits}`, `${fn}_mr${bits}`);
    case 'imul2':
    case 'imul3':
    case 'movsxB':
    case 'movsxW':
    case 'movsxd':
      return pair(`${fn}_r${bits}`, `${fn}_rm${bits}`);
    default:
      return pair('');
  }
}
