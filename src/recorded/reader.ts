/**
 * Reader of VEC1 files: instruction cases recorded on a real processor, stored as differences from a few backgrounds.
 */
import { gunzipSync } from 'node:zlib';
import { ByteReader } from './byte-reader.ts';
import { copyState, createState, type VectorState } from './state.ts';

export type Mode = 32 | 64;

/** How closely a result must match. */
export const Approx = {
  EXACT: 0,
  /** x87 transcendental: a unit in the last place. */
  TRANSCENDENTAL: 1,
  /** RCP and RSQRT: relative error of 1.5 * 2^-12. */
  RECIPROCAL: 2,
  /** x87 trigonometry beyond 1: depends on the argument reduction. */
  TRIGONOMETRIC: 3,
  /** EXTRQ and INSERTQ: only bits 63:0 of the XMM registers. */
  LOW_QUADWORD: 4,
} as const;
export type Approx = (typeof Approx)[keyof typeof Approx];

export interface Fault {
  vector: number;
  errorCode: number;
  /** Absent where CR2 is not recorded (anything but #PF) or need not match. */
  cr2?: bigint;
}

/** One recorded step. `initial`, `final` and `code` are overwritten by the next case. */
export interface VectorCase {
  index: number;
  form: string;
  /** Disassembly, Intel syntax. */
  text: string;
  approx: Approx;
  /** Absent when the instruction completed. */
  fault?: Fault;
  /** RIP afterwards, relative to the first byte of the code. */
  rip: number;
  flagsMask: number;
  fswMask: number;
  gprIgnore: number;
  /** Ranges of the page that are undefined afterwards. */
  memIgnore: { offset: number; length: number }[];
  memBase: number;
  codeOffset: number;
  code: Uint8Array;
  initial: VectorState;
  final: VectorState;
  /** The case as it stands in the file, with its size field. */
  raw: Uint8Array;
}

export interface VectorFile {
  group: string;
  mode: Mode;
  count: number;
  codePage: number;
  memPage: number;
  lowPage: number;
  forms: readonly string[];
  /** The file up to its first case; `count` is the u32 at COUNT_OFFSET. */
  header: Uint8Array;
  cases(): Generator<VectorCase, void>;
}

export const COUNT_OFFSET = 8;

const WINDOW_SIZE = 256;
const HAS = { GPR: 1, RFLAGS: 2, MXCSR: 4, XMM: 8, YMM_HIGH: 16, X87: 32, MEMORY: 64 } as const;
const OUTCOME = { FAULT: 1, CR2_FREE: 2 } as const;
const PAGE_FAULT = 14;

interface Background {
  state: VectorState;
  window: Uint8Array;
}

/** Opens a VEC1 file, gzip'ed or not. Throws an Error that names `name` where the bytes are not of that format. */
export function openVectors(bytes: Uint8Array, name = 'vectors'): VectorFile {
  const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const data = new Uint8Array(isZipped ? gunzipSync(bytes) : bytes);
  const r = new ByteReader(data, name);
  const magic = r.text(4);
  if (magic !== 'VEC1') throw new Error(`${name}: not a VEC1 file (it starts with '${magic}')`);
  const version = r.u16();
  if (version !== 1) throw new Error(`${name}: VEC1 version ${version}, only 1 is known`);
  const mode = readMode(r);
  const backgroundCount = r.u8();
  const count = r.u32();
  const [codePage, memPage, lowPage] = [r.u32(), r.u32(), r.u32()];
  const group = r.text(r.u8());
  const forms = Array.from({ length: r.u16() }, () => r.text(r.u8()));
  const backgrounds = Array.from({ length: backgroundCount }, () => readBackground(r));
  const start = r.position;

  function* cases(): Generator<VectorCase, void> {
    const reader = new ByteReader(data, name);
    reader.position = start;
    const initial = createState();
    const final = createState();
    for (let index = 0; index < count; index++)
      yield readCase(reader, { index, mode, forms, backgrounds }, initial, final);
    if (reader.position !== data.length)
      throw new Error(`${name}: ${data.length - reader.position} bytes after the last case`);
  }
  return { group, mode, count, codePage, memPage, lowPage, forms, header: data.subarray(0, start), cases };
}

function readMode(r: ByteReader): Mode {
  const mode = r.u8();
  if (mode !== 32 && mode !== 64) throw new Error(`${r.name}: mode ${mode}, only 32 and 64 exist`);
  return mode;
}

function readBackground(r: ByteReader): Background {
  const state = createState();
  for (let k = 0; k < 16; k++) state.gpr[k] = r.u64();
  state.rflags = r.u32();
  state.mxcsr = r.u32();
  state.ymm.set(r.bytes(state.ymm.length));
  state.fcw = r.u16();
  state.fsw = r.u16();
  state.ftw = r.u8();
  state.st.set(r.bytes(state.st.length));
  return { state, window: r.bytes(WINDOW_SIZE) };
}

interface CaseContext {
  index: number;
  mode: Mode;
  forms: readonly string[];
  backgrounds: readonly Background[];
}

function readCase(r: ByteReader, context: CaseContext, initial: VectorState, final: VectorState): VectorCase {
  const begin = r.position;
  const size = r.u16();
  const end = r.position + size;
  const form = context.forms[r.u16()];
  const background = context.backgrounds[r.u8()];
  const approx = r.u8() as Approx;
  const outcome = r.u8();
  const vector = r.u8();
  const errorCode = r.u16();
  const rip = r.i32();
  let fault: Fault | undefined;
  if (outcome & OUTCOME.FAULT) {
    const cr2 = vector === PAGE_FAULT ? r.u64() : undefined;
    fault = { vector, errorCode, cr2: outcome & OUTCOME.CR2_FREE ? undefined : cr2 };
  }
  const [flagsMask, fswMask, gprIgnore] = [r.u16(), r.u16(), r.u16()];
  const memIgnore = Array.from({ length: r.u8() }, () => ({ offset: r.u16(), length: r.u16() }));
  const memBase = r.u32();
  const codeOffset = r.u16();
  const code = r.bytes(r.u8());
  copyState(initial, background.state);
  initial.page.fill(0);
  initial.page.set(background.window, memBase & 0xfff);
  applyBlock(r, initial, context.mode);
  copyState(final, initial);
  applyBlock(r, final, context.mode);
  const text = r.text(r.u16());
  if (r.position !== end)
    throw new Error(`${r.name}: case ${context.index} has ${end - begin} bytes, ${r.position - begin} were read`);
  const { index } = context;
  const raw = r.slice(begin, end);
  return {
    index,
    form,
    text,
    approx,
    fault,
    rip,
    flagsMask,
    fswMask,
    gprIgnore,
    memIgnore,
    memBase,
    codeOffset,
    code,
    initial,
    final,
    raw,
  };
}

function applyBlock(r: ByteReader, state: VectorState, mode: Mode): void {
  const presence = r.u8();
  if (presence & HAS.GPR) for (const k of r.mask16()) state.gpr[k] = mode === 64 ? r.u64() : BigInt(r.u32());
  if (presence & HAS.RFLAGS) state.rflags = r.u32();
  if (presence & HAS.MXCSR) state.mxcsr = r.u32();
  if (presence & HAS.XMM) for (const k of r.mask16()) state.ymm.set(r.bytes(16), 32 * k);
  if (presence & HAS.YMM_HIGH) for (const k of r.mask16()) state.ymm.set(r.bytes(16), 32 * k + 16);
  if (presence & HAS.X87) {
    state.fcw = r.u16();
    state.fsw = r.u16();
    state.ftw = r.u8();
    for (const k of r.mask8()) state.st.set(r.bytes(10), 10 * k);
  }
  if (presence & HAS.MEMORY) {
    for (let runs = r.u8(); runs > 0; runs--) {
      const offset = r.u16();
      state.page.set(r.bytes(r.u16()), offset);
    }
  }
}
