/** The list of instruction families for the README and the docs, taken from the opcode table. */
import { rows } from './opcodes.ts';
import type { Feature, Row } from './table.ts';

interface Family {
  readonly title: string;
  /** CPUID features of its rows; undefined stands for rows that need none. */
  readonly features: readonly (Feature | undefined)[];
}

// biome-ignore format: a table
const FAMILIES: readonly Family[] = [
  { title: 'General purpose and system', features: [undefined, 'intel', 'tsc', 'msr', 'cx8', 'cx16', 'cmov', 'sep', 'syscall', 'rdtscp', 'rdpmc', 'lahf_lm', '3dnowprefetch'] },
  { title: 'Bit manipulation: BMI1, BMI2, LZCNT, POPCNT, ADX, MOVBE', features: ['bmi1', 'bmi2', 'abm', 'popcnt', 'adx', 'movbe'] },
  { title: 'Random numbers and identity: RDRAND, RDSEED, RDPID', features: ['rdrand', 'rdseed', 'rdpid'] },
  { title: 'Memory protection: SMAP, PKU, INVPCID, FSGSBASE', features: ['smap', 'pku', 'invpcid', 'fsgsbase'] },
  { title: 'Caches and stores: CLFLUSH, CLFLUSHOPT, CLWB, WBNOINVD, MOVDIRI, MOVDIR64B, SERIALIZE', features: ['clflush', 'clflushopt', 'clwb', 'wbnoinvd', 'movdiri', 'movdir64b', 'serialize'] },
  { title: 'MONITOR and MWAIT', features: ['monitor'] },
  { title: 'State: FXSAVE, XSAVE, XSAVEOPT, XSAVEC, XSAVES', features: ['fxsr', 'xsave', 'xsaveopt', 'xsavec', 'xsaves'] },
  { title: 'VMX', features: ['vmx'] },
  { title: 'SVM', features: ['svm'] },
  { title: 'x87', features: ['fpu'] },
  { title: 'MMX', features: ['mmx'] },
  { title: 'SSE', features: ['sse'] },
  { title: 'SSE2', features: ['sse2'] },
  { title: 'SSE3 and SSSE3', features: ['pni', 'ssse3'] },
  { title: 'SSE4.1, SSE4.2, SSE4a', features: ['sse4_1', 'sse4_2', 'sse4a'] },
  { title: 'Cryptography: AES, PCLMULQDQ, SHA, GFNI, VAES, VPCLMULQDQ', features: ['aes', 'pclmulqdq', 'sha_ni', 'gfni', 'vaes', 'vpclmulqdq'] },
  { title: 'AVX and F16C', features: ['avx', 'f16c'] },
  { title: 'AVX2', features: ['avx2'] },
  { title: 'AVX-VNNI', features: ['avx-vnni'] },
  { title: 'FMA', features: ['fma'] },
];

/** The family of a row by title; throws where no family has its feature. */
export function familyOf(row: Row): string {
  const family = FAMILIES.find(({ features }) => features.includes(row.feature));
  if (!family) throw new Error(`opcode table: feature '${row.feature}' of ${row.op} belongs to no family`);
  return family.title;
}

/**
 * A Markdown table with a line for each family: its mnemonics that `isImplemented` says yes to, and of how many. A family
 * without any is left out.
 */
export function implementedTable(isImplemented: (row: Row) => boolean): string {
  const lines = FAMILIES.flatMap(({ title }) => {
    const family = rows.filter((row) => familyOf(row) === title);
    const all = new Set(family.map((row) => row.op));
    const done = new Set(family.filter(isImplemented).map((row) => row.op));
    return done.size > 0
      ? [`| ${title} | ${done.size === all.size ? done.size : `${done.size} of ${all.size}`} |`]
      : [];
  });
  return ['| Family | Instructions |', '| --- | --- |', ...lines, ''].join('\n');
}
