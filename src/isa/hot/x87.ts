/**
 * Hot rows of the x87. The operation is a function of assembly/ops/x87/hot.ts, which carries out the common case or does
 * nothing; then the handler of the instruction, which is what a cold record would call, does it all.
 */
import { ALL_WRITTEN, type HotRow, NO_FLAGS, row } from './row.ts';

/** Functions by handler. Handlers of one kind differ in bits of the opcode, which the function looks at. */
export const X87_FUNCTIONS: Record<string, string> = {
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

/** What touches memory, by function; the others work on the stack of registers. */
const READ = [
  'hotLoadSingle',
  'hotLoadDouble',
  'hotLoadExtended',
  'hotLoadW',
  'hotLoadD',
  'hotLoadQ',
  'hotSingle',
  'hotDouble',
];
const isStore = (name: string) => name.startsWith('hotStore');

export const x87Rows: HotRow[] = [...new Set(Object.values(X87_FUNCTIONS))].sort().map((name) =>
  row(name, name, 'whole', 0, {
    memory: READ.includes(name) ? 'read' : isStore(name) ? 'write' : 'none',
    flags: name === 'hotCompareFlags' ? ALL_WRITTEN : NO_FLAGS,
    faults: true,
  }),
);
