/**
 * Opcodes 0F 38 xx that touch no vector register, after SDM Vol. 2D, "Table A-4. Three-byte Opcode Map: 00H-F7H
 * (First Two Bytes are 0F 38H)". The notation is explained in table.ts.
 */
import type { Row } from './table.ts';

// biome-ignore format: a table, read column by column
export const rows0f38: readonly Row[] = [
  { code: '66 0F 38 80 m',  op: 'invept',    args: 'Gy,Mdq', traits: ['f64', 'ends'], feature: 'vmx' },
  { code: '66 0F 38 81 m',  op: 'invvpid',   args: 'Gy,Mdq', traits: ['f64', 'ends'], feature: 'vmx' },
  { code: '66 0F 38 82 m',  op: 'invpcid',   args: 'Gy,Mdq', traits: ['f64', 'ends'], feature: 'invpcid' },
  { code: 'NFx 0F 38 F0 m', op: 'movbe',     args: 'Gv,Mv',  feature: 'movbe' },
  { code: 'NFx 0F 38 F1 m', op: 'movbe',     args: 'Mv,Gv',  feature: 'movbe' },
  { code: 'F2 0F 38 F0',    op: 'crc32',     args: 'Gy,Eb',  w: 'b', feature: 'sse4_2' },
  { code: 'F2 0F 38 F1',    op: 'crc32',     args: 'Gy,Ev',  w: 'v', feature: 'sse4_2' },
  { code: '66 0F 38 F6',    op: 'adcx',      args: 'Gy,Ey',  feature: 'adx' },
  { code: 'F3 0F 38 F6',    op: 'adox',      args: 'Gy,Ey',  feature: 'adx' },
  { code: '66 0F 38 F8 m',  op: 'movdir64b', args: 'Gn,Moq', feature: 'movdir64b' },
  { code: 'NP 0F 38 F9 m',  op: 'movdiri',   args: 'My,Gy',  feature: 'movdiri' },
];
