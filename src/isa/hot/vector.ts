/**
 * Hot rows of vector instructions: moves, logic, the most frequent integer operations, and arithmetic on scalars. They are
 * decoded only where SSE and AVX may be used (Key.SSE, Key.VEX), so that their code asks nothing.
 */
import { type HotRow, row, type VectorForm, type Width } from './row.ts';

export const VECTOR_FORMS = ['x', 'v128', 'v256'] as const;
/** Operations of two vectors by handler name. */
const OPERATIONS = [
  'pand', 'pandn', 'por', 'pxor', 'paddb', 'paddw', 'paddd', 'paddq', 'psubb', 'psubd', 'pcmpeqb', 'pcmpeqd', 'pminub',
  'pmuludq', 'punpckldq', 'punpcklqdq',
]; // biome-ignore format: words
export const isVectorOperation = (name: string): boolean => OPERATIONS.includes(name);
export const VECTOR_SHIFTS = ['pslldImm', 'psrldImm', 'psllqImm', 'psrlqImm'];

const widthOf = (vector: VectorForm): Width => (vector === 'v256' ? 256 : 128);

export const vectorRows: HotRow[] = [
  ...VECTOR_FORMS.flatMap((vector) => {
    const width = widthOf(vector);
    const sse = vector === 'x' ? ({ aligned: true } as const) : {};
    return [
      ...OPERATIONS.flatMap((op) => [
        row(`${op}_${vector}_r`, op, 'vr', width, { vector }),
        row(`${op}_${vector}_m`, op, 'vm', width, { vector, memory: 'read', ...sse }),
      ]),
      row(`mov_${vector}_r`, 'mov', 'vr', width, { vector }),
      row(`mova_${vector}_load`, 'mov', 'load', width, { vector, memory: 'read', aligned: true }),
      row(`mova_${vector}_store`, 'mov', 'store', width, { vector, memory: 'write', aligned: true }),
      row(`movu_${vector}_load`, 'mov', 'load', width, { vector, memory: 'read' }),
      row(`movu_${vector}_store`, 'mov', 'store', width, { vector, memory: 'write' }),
    ];
  }),
  ...VECTOR_SHIFTS.map((op) => row(`${op}_x_r`, op, 'vi', 128, { vector: 'x' })),
  row('pshufd_x_r', 'pshufd', 'vri', 128, { vector: 'x' }),
  row('pmovmskb_x_r', 'pmovmskb', 'vri', 128, { vector: 'x' }),
  row('pmovmskb_v256_r', 'pmovmskb', 'vri', 256, { vector: 'v256' }),
  ...([32, 64] as const).flatMap((width) => [
    row(`movs${width}_x_load`, 'movs', 'load', width, { vector: 'x', memory: 'read' }),
    row(`movs${width}_v128_load`, 'movs', 'load', width, { vector: 'v128', memory: 'read' }),
    row(`movs${width}_store`, 'movs', 'store', width, { vector: 'x', memory: 'write' }),
  ]),
];

/**
 * Arithmetic on scalars: the host's operation where its result is known to be the processor's, else the handler. [a] = [b]
 * op [base] or memory.
 */
export const SCALARS = ['add', 'sub', 'mul', 'div'];
export const scalarRows: HotRow[] = (
  [
    ['sd', 64, ['x', 'v128']],
    ['ss', 32, ['x']],
  ] as const
).flatMap(([suffix, width, forms]) =>
  SCALARS.flatMap((op) =>
    forms.flatMap((vector) => [
      row(`${op}${suffix}_${vector}_r`, `${op}Scalar`, 'whole', width, { vector, faults: true }),
      row(`${op}${suffix}_${vector}_m`, `${op}Scalar`, 'whole', width, { vector, memory: 'read' }),
    ]),
  ),
);
