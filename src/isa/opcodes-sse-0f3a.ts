/**
 * SSSE3, SSE4, AES, SHA, GFNI and PCLMULQDQ in map 0F 3A, after SDM Vol. 2D, "Table A-5. Three-byte Opcode Map: 00H-F7H
 * (First two bytes are 0F 3AH)".
 */
import type { Row } from './table.ts';

// biome-ignore format: a table, read column by column
export const sseRows0f3a: readonly Row[] = [
  { code: '66 0F 3A 08',    op: 'roundps',          args: 'Vps,Wps,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 09',    op: 'roundpd',          args: 'Vpd,Wpd,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 0A',    op: 'roundss',          args: 'Vss,Wss,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 0B',    op: 'roundsd',          args: 'Vsd,Wsd,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 0C',    op: 'blendps',          args: 'Vps,Wps,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 0D',    op: 'blendpd',          args: 'Vpd,Wpd,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 0E',    op: 'pblendw',          args: 'Vx,Wx,Ib',   feature: 'sse4_1' },
  { code: 'NP 0F 3A 0F',    op: 'palignr',          args: 'Pq,Qq,Ib',   feature: 'ssse3' },
  { code: '66 0F 3A 0F',    op: 'palignr',          args: 'Vx,Wx,Ib',   fn: 'palignrX', feature: 'ssse3' },
  { code: '66 0F 3A 14 r',  op: 'pextrb',           args: 'Ry,Vdq,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 14 m',  op: 'pextrb',           args: 'Mb,Vdq,Ib',  fn: 'pextrbMem', feature: 'sse4_1' },
  { code: '66 0F 3A 15 r',  op: 'pextrw',           args: 'Ry,Vdq,Ib',  fn: 'pextrwX', feature: 'sse4_1' },
  { code: '66 0F 3A 15 m',  op: 'pextrw',           args: 'Mw,Vdq,Ib',  fn: 'pextrwMem', feature: 'sse4_1' },
  { code: '66 0F 3A 16 W0', op: 'pextrd',           args: 'Ed,Vdq,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 16 W1', op: 'pextrq',           args: 'Eq,Vdq,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 17 r',  op: 'extractps',        args: 'Ry,Vdq,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 17 m',  op: 'extractps',        args: 'Md,Vdq,Ib',  fn: 'extractpsMem', feature: 'sse4_1' },
  { code: '66 0F 3A 20 r',  op: 'pinsrb',           args: 'Vdq,Ry,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 20 m',  op: 'pinsrb',           args: 'Vdq,Mb,Ib',  fn: 'pinsrbMem', feature: 'sse4_1' },
  { code: '66 0F 3A 21',    op: 'insertps',         args: 'Vdq,Wss,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 22 W0', op: 'pinsrd',           args: 'Vdq,Ed,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 22 W1', op: 'pinsrq',           args: 'Vdq,Eq,Ib',  feature: 'sse4_1' },
  { code: '66 0F 3A 40',    op: 'dpps',             args: 'Vps,Wps,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 41',    op: 'dppd',             args: 'Vpd,Wpd,Ib', feature: 'sse4_1' },
  { code: '66 0F 3A 42',    op: 'mpsadbw',          args: 'Vx,Wx,Ib',   feature: 'sse4_1' },
  { code: '66 0F 3A 44',    op: 'pclmulqdq',        args: 'Vdq,Wdq,Ib', feature: 'pclmulqdq' },
  { code: '66 0F 3A 60',    op: 'pcmpestrm',        args: 'Vdq,Wdq,Ib', w: 'y', feature: 'sse4_2' },
  { code: '66 0F 3A 61',    op: 'pcmpestri',        args: 'Vdq,Wdq,Ib', w: 'y', feature: 'sse4_2' },
  { code: '66 0F 3A 62',    op: 'pcmpistrm',        args: 'Vdq,Wdq,Ib', feature: 'sse4_2' },
  { code: '66 0F 3A 63',    op: 'pcmpistri',        args: 'Vdq,Wdq,Ib', feature: 'sse4_2' },
  { code: 'NP 0F 3A CC',    op: 'sha1rnds4',        args: 'Vdq,Wdq,Ib', feature: 'sha_ni' },
  { code: '66 0F 3A CE',    op: 'gf2p8affineqb',    args: 'Vdq,Wdq,Ib', feature: 'gfni' },
  { code: '66 0F 3A CF',    op: 'gf2p8affineinvqb', args: 'Vdq,Wdq,Ib', feature: 'gfni' },
  { code: '66 0F 3A DF',    op: 'aeskeygenassist',  args: 'Vdq,Wdq,Ib', feature: 'aes' },
];
