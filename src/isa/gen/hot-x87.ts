/**
 * Hot records of the x87. Their code is a function of assembly/ops/x87/hot.ts that carries out the common case or does
 * nothing; then the handler of the instruction, which is what a cold record would call, does it all.
 */
import { handlerOf, type Row } from '../table.ts';

/** Functions by handler. Handlers of one kind differ in bits of the opcode, which the function looks at. */
const FUNCTIONS: Record<string, string> = {
  fld: 'hotFld', fst: 'hotFst', fstp: 'hotFst', fxch: 'hotFxch', fld1: 'hotConstant', fldz: 'hotConstant',
  fchs: 'hotSign', fabs: 'hotSign',
  fadd: 'hotAdd', faddp: 'hotAdd', fsub: 'hotAdd', fsubp: 'hotAdd', fsubr: 'hotAdd', fsubrp: 'hotAdd',
  fmul: 'hotMul', fmulp: 'hotMul', fdiv: 'hotDiv', fdivp: 'hotDiv', fdivr: 'hotDiv', fdivrp: 'hotDiv',
  fcom: 'hotCompare', fcomp: 'hotCompare', fucom: 'hotCompare', fucomp: 'hotCompare',
  fcompp: 'hotComparePop', fucompp: 'hotComparePop',
  fcomi: 'hotCompareFlags', fcomip: 'hotCompareFlags', fucomi: 'hotCompareFlags', fucomip: 'hotCompareFlags',
  fldSingle: 'hotLoadSingle', fldDouble: 'hotLoadDouble', fldExtended: 'hotLoadExtended',
  fstSingle: 'hotStoreSingle', fstpSingle: 'hotStoreSingle', fstDouble: 'hotStoreDouble', fstpDouble: 'hotStoreDouble',
  fstpExtended: 'hotStoreExtended',
  fildW: 'hotLoadW', fildD: 'hotLoadD', fildQ: 'hotLoadQ', fistD: 'hotStoreD', fistpD: 'hotStoreD', fistpQ: 'hotStoreQ',
  faddSingle: 'hotSingle', fmulSingle: 'hotSingle', fcomSingle: 'hotSingle', fcompSingle: 'hotSingle',
  fsubSingle: 'hotSingle', fsubrSingle: 'hotSingle', fdivSingle: 'hotSingle', fdivrSingle: 'hotSingle',
  faddDouble: 'hotDouble', fmulDouble: 'hotDouble', fcomDouble: 'hotDouble', fcompDouble: 'hotDouble',
  fsubDouble: 'hotDouble', fsubrDouble: 'hotDouble', fdivDouble: 'hotDouble', fdivrDouble: 'hotDouble',
}; // biome-ignore format: pairs

export const X87_FUNCTIONS = [...new Set(Object.values(FUNCTIONS))].sort();

/** Defines kinds that go the handler's way with `cold` where their function does nothing. */
export function defineX87Kinds(define: (name: string, code: string) => void, next: string, cold: string): void {
  for (const name of X87_FUNCTIONS) define(name, `if (${name}(rec)) { ${next} } ${cold}`);
}

/** Undocumented aliases, which pop by other bits than those that the functions look at. */
const ALIASES = ['DE /2 r', 'DF /2 r'];

/** The kind of a row, '' where it has none. */
export const x87Kind = (row: Row): string => (ALIASES.includes(row.code) ? '' : (FUNCTIONS[handlerOf(row)] ?? ''));
