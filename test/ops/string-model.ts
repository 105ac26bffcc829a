/** The string instructions as SDM Vol. 2 defines them, one element at a time, over flat bytes. */

export type StringOp = 'movs' | 'stos' | 'lods' | 'scas' | 'cmps';
export type Repeat = 'none' | 'rep' | 'repne';

export interface StringCase {
  op: StringOp;
  repeat: Repeat;
  /** Bytes of an element. */
  size: 1 | 2 | 4 | 8;
  down: boolean;
  rax: bigint;
  rcx: bigint;
  rsi: bigint;
  rdi: bigint;
}

export interface StringResult {
  rax: bigint;
  rcx: bigint;
  rsi: bigint;
  rdi: bigint;
  /** The last compared pair, where the instruction compares. */
  compared?: [bigint, bigint];
}

function load(memory: Uint8Array, at: bigint, size: number): bigint {
  let value = 0n;
  for (let n = size - 1; n >= 0; n--) value = (value << 8n) | BigInt(memory[Number(at) + n]);
  return value;
}
function store(memory: Uint8Array, at: bigint, size: number, value: bigint): void {
  for (let n = 0; n < size; n++) memory[Number(at) + n] = Number((value >> BigInt(8 * n)) & 0xffn);
}

/** Executes the case on `memory` and returns the registers afterwards. */
export function runStringModel(c: StringCase, memory: Uint8Array): StringResult {
  const step = BigInt(c.down ? -c.size : c.size);
  const r: StringResult = { rax: c.rax, rcx: c.rcx, rsi: c.rsi, rdi: c.rdi };
  const accumulator = BigInt.asUintN(8 * c.size, c.rax);
  const reads = c.op === 'movs' || c.op === 'lods' || c.op === 'cmps';
  while (c.repeat === 'none' || r.rcx !== 0n) {
    const source = reads ? load(memory, r.rsi, c.size) : accumulator;
    if (c.op === 'movs' || c.op === 'stos') store(memory, r.rdi, c.size, source);
    if (c.op === 'lods') r.rax = c.size === 4 ? source : (r.rax & ~((1n << BigInt(8 * c.size)) - 1n)) | source;
    if (c.op === 'scas' || c.op === 'cmps') r.compared = [source, load(memory, r.rdi, c.size)];
    if (reads) r.rsi += step;
    if (c.op !== 'lods') r.rdi += step;
    if (c.repeat === 'none') break;
    r.rcx--;
    if (r.compared && (r.compared[0] === r.compared[1]) !== (c.repeat === 'rep')) break;
  }
  return r;
}

const OPCODES: Record<StringOp, number> = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, lods: 0xac, scas: 0xae };

/** Machine code of the case in 64-bit mode, in hexadecimal. */
export function encodeString(c: StringCase): string {
  const bytes = [
    ...(c.size === 2 ? [0x66] : []),
    ...(c.repeat === 'rep' ? [0xf3] : c.repeat === 'repne' ? [0xf2] : []),
    ...(c.size === 8 ? [0x48] : []),
    OPCODES[c.op] | (c.size === 1 ? 0 : 1),
  ];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
