/** Hot rows of the general registers: moves, arithmetic, stack and jumps. */
import {
  ALL_FLAGS,
  ALL_WRITTEN,
  askedBy,
  CONDITIONS,
  type FlagUse,
  type HotRow,
  NO_FLAGS,
  type Rule,
  row,
  type Width,
} from './row.ts';

export const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const BYTE_AND_UP: Width[] = [8, 32, 64];
const WIDE: Width[] = [32, 64];
/** Conditions that fused compares and tests exist for. */
const CMP_CONDITIONS = [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15];
const TEST_CONDITIONS = [4, 5, 8, 9, 14, 15];

const WITH_CARRY: FlagUse = { reads: 'C', writes: ALL_FLAGS };
const CARRY_STAYS: FlagUse = { reads: '', writes: 'PAZSO' };

/** What ends blocks or stands for nothing. */
export const controlRows: HotRow[] = [
  row('dead', 'dead', 'none', 0, { ends: true }),
  row('dead_pair', 'dead', 'none', 0, { ends: true, weight: 2 }),
  row('end', 'end', 'links', 0, { ends: true, weight: 0 }),
  row('end_slow', 'endSlow', 'links', 0, { ends: true, weight: 0 }),
  row('end_jump', 'endJump', 'none', 0, { ends: true, weight: 0 }),
  row('skip', 'nop', 'none', 0, { weight: 0 }),
  row('nop', 'nop', 'none', 0),
];

function aluRows(): HotRow[] {
  const ofWidth = (op: string, width: Width): HotRow[] => {
    const flags = op === 'adc' || op === 'sbb' ? WITH_CARRY : ALL_WRITTEN;
    return [
      row(`${op}_r${width}`, op, 'r', width, { flags }),
      row(`${op}_rm${width}`, op, 'rm', width, { flags, memory: 'read' }),
      row(`${op}_mr${width}`, op, 'mr', width, { flags, memory: op === 'cmp' ? 'read' : 'both' }),
    ];
  };
  return [
    ...ALU.flatMap((op) => BYTE_AND_UP.flatMap((width) => ofWidth(op, width))),
    ...['add', 'or', 'and', 'sub', 'xor'].map((op) => row(`${op}_r16`, op, 'r', 16, { flags: ALL_WRITTEN })),
    ...ofWidth('cmp', 16),
  ];
}

function testRows(): HotRow[] {
  return ([8, 16, 32, 64] as const).flatMap((width) => [
    row(`test_r${width}`, 'test', 'r', width, { flags: ALL_WRITTEN }),
    row(`test_mr${width}`, 'test', 'mr', width, { flags: ALL_WRITTEN, memory: 'read' }),
  ]);
}

function moveRows(): HotRow[] {
  const plain = ([8, 16, 32, 64] as const).flatMap((width) => [
    row(`mov_r${width}`, 'mov', 'r', width),
    row(`mov_rm${width}`, 'mov', 'rm', width, { memory: 'read' }),
    row(`mov_mr${width}`, 'mov', 'mr', width, { memory: 'write' }),
  ]);
  const extending = (
    [
      ['movzxB', 8, false, 32],
      ['movzxW', 16, false, 32],
      ['movsxB', 8, true, 32],
      ['movsxW', 16, true, 32],
      ['movsxB', 8, true, 64],
      ['movsxW', 16, true, 64],
      ['movsxd', 32, true, 64],
    ] as const
  ).flatMap(([name, from, signed, width]) => {
    const source = { width: from, signed };
    return [
      row(`${name}_r${width}`, 'extend', 'r', width, { source }),
      row(`${name}_rm${width}`, 'extend', 'rm', width, { source, memory: 'read' }),
    ];
  });
  return [...plain, ...extending];
}

const prefixOf = { KEEP: 'keep_', INTEL: '', AMD: 'amd_' };

function shiftRow(rule: Rule, op: string, width: Width): HotRow {
  const writes = /^ro/.test(op) ? (rule === 'KEEP' ? 'C' : 'CO') : ALL_FLAGS;
  return row(`${prefixOf[rule]}${op}_r${width}`, op, 'r', width, { rule, flags: { reads: '', writes, byCount: true } });
}
function rotateRows(rule: Rule): HotRow[] {
  return WIDE.flatMap((width) => ['rol', 'ror'].map((op) => shiftRow(rule, op, width)));
}
function byRuleRows(rule: Rule): HotRow[] {
  const flags: FlagUse = rule === 'AMD' ? { reads: '', writes: 'CO' } : ALL_WRITTEN;
  return WIDE.flatMap((width) => [
    ...['shl', 'shr', 'sar'].map((op) => shiftRow(rule, op, width)),
    row(`${prefixOf[rule]}imul2_r${width}`, 'imul', 'r', width, { rule, flags }),
    row(`${prefixOf[rule]}imul2_rm${width}`, 'imul', 'rm', width, { rule, flags, memory: 'read' }),
    row(`${prefixOf[rule]}imul3_r${width}`, 'imul', 'ri', width, { rule, flags }),
    row(`${prefixOf[rule]}imul3_rm${width}`, 'imul', 'mi', width, { rule, flags, memory: 'read' }),
  ]);
}
/** Rotates whose OF stays, then what leaves flags undefined: by Intel's rule, and in the same order by AMD's. */
export const ruledRows: HotRow[] = [
  ...rotateRows('KEEP'),
  ...rotateRows('INTEL'),
  ...byRuleRows('INTEL'),
  ...rotateRows('AMD'),
  ...byRuleRows('AMD'),
];

function unaryFlags(op: string): FlagUse {
  return op === 'not' ? NO_FLAGS : op === 'neg' ? ALL_WRITTEN : CARRY_STAYS;
}
function widthRows(): HotRow[] {
  return WIDE.flatMap((width) => {
    const far = width === 64;
    const jump = { ends: true } as const;
    return [
      row(`lea_rm${width}`, 'lea', 'rm', width),
      ...['inc', 'dec', 'neg', 'not'].map((op) => row(`${op}_r${width}`, op, 'one', width, { flags: unaryFlags(op) })),
      ...['inc', 'dec'].map((op) =>
        row(`${op}_mr${width}`, op, 'mem', width, { flags: unaryFlags(op), memory: 'both' }),
      ),
      row(`cbw_${width}`, 'cbw', 'none', width),
      row(`cwd_${width}`, 'cwd', 'none', width),
      row(`push_r${width}`, 'push', 'one', width, { memory: 'write' }),
      row(`pop_r${width}`, 'pop', 'one', width, { memory: 'read' }),
      row(`call_${width}`, 'call', 'links', width, { ...jump, memory: 'write' }),
      row(`call_r${width}`, 'call', 'one', width, { ...jump, memory: 'write' }),
      row(`call_m${width}`, 'call', 'mem', width, { ...jump, memory: 'both' }),
      row(`jmp_r${width}`, 'jmp', 'one', width, { ...jump, faults: far }),
      row(`jmp_m${width}`, 'jmp', 'mem', width, { ...jump, memory: 'read' }),
      row(`ret_${width}`, 'ret', 'none', width, { ...jump, memory: 'read' }),
    ];
  });
}

/** The kinds of a condition follow each other: jcc, setcc, cmov32, cmov64. */
export const jumpRows: HotRow[] = [
  row('jmp', 'jmp', 'links', 0, { ends: true }),
  ...CONDITIONS.flatMap((name, condition) => {
    const flags: FlagUse = { reads: askedBy(condition), writes: '' };
    return [
      row(`jcc_${name}`, 'jcc', 'links', 0, { condition, flags, ends: true }),
      row(`setcc_${name}`, 'setcc', 'one', 8, { condition, flags }),
      row(`cmov_${name}32`, 'cmov', 'r', 32, { condition, flags }),
      row(`cmov_${name}64`, 'cmov', 'r', 64, { condition, flags }),
    ];
  }),
];

/** Compares and tests joined with the conditional jump after them, whose links are in the next record. */
function fusedRows(): HotRow[] {
  return (
    [
      ['cmp', 'r', CMP_CONDITIONS],
      ['cmp', 'rm', CMP_CONDITIONS],
      ['cmp', 'mr', CMP_CONDITIONS],
      ['test', 'r', TEST_CONDITIONS],
      ['test', 'mr', TEST_CONDITIONS],
    ] as const
  ).flatMap(([op, form, conditions]) =>
    BYTE_AND_UP.flatMap((width) =>
      conditions.map((condition) =>
        row(`${op}_${form}${width}_${CONDITIONS[condition]}`, op, form, width, {
          condition,
          flags: ALL_WRITTEN,
          memory: form === 'r' ? 'none' : 'read',
          ends: true,
          weight: 2,
        }),
      ),
    ),
  );
}

export const integerRows: HotRow[] = [
  ...controlRows,
  ...aluRows(),
  ...testRows(),
  ...moveRows(),
  ...ruledRows,
  ...widthRows(),
  ...jumpRows,
  ...fusedRows(),
];
