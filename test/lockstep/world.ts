/**
 * Memory of the lock-step judge: address spaces that differ in what their probe pages are and allow, extended page tables
 * that differ likewise, and the code that drives the pieces. The first 4 MiB are mapped one to one for the supervisor in
 * every address space; everything random lies at PROBE.
 */
import { gate, HANDLER, IDT, type Lab, Sel, STACK0 } from '../exec/lab.ts';
import { randomNumbers } from '../random.ts';
import { Code } from './code.ts';

/** Linear address of the probe pages, their number, and those of fixed use: user stack, user code. */
export const PROBE = 0x400000;
export const PAGES = 64;
export const USER_STACK_PAGE = 62;
export const USER_CODE_PAGE = 61;
/** Pages below this number are global, hence the same in all address spaces. */
export const GLOBAL_PAGES = 8;
/** Of each address space: PML4, PDPT, page directory, page table. Its number is its PCID too. */
export const ROOTS = 4;
const TABLES_AT = 0x200000;
/** Of each extended hierarchy: PML4, PDPT, directory, three page tables; the last shows the frames at PROBE too. */
export const EPTS = 2;
const EPT_AT = 0x240000;
/** Frames that probe pages are mapped to; each begins with mov eax, number; ret. */
export const FRAMES = 16;
export const FRAME_AT = 0x180000;
export const USER_CODE_AT = 0x1a0000;
export const USER_STACK_AT = 0x1a1000;
/** Addresses of the pieces, which the dispatcher goes through at random; the dispatcher; the pieces. */
const PIECE_TABLE = 0x60000;
export const DISPATCHER = 0x62000;
/** Where VM exits go, and where VM entries are called. */
export const EXIT_HANDLER = 0x63000;
export const ENTER = 0x63800;
const PIECES_AT = 0x80000;
const PIECES_END = FRAME_AT;
export const USER_RETURN_VECTOR = 0x80;
export const IPI_VECTOR = 0x90;

export const Pte = { P: 1n, W: 2n, U: 4n, A: 0x20n, D: 0x40n, PS: 0x80n, G: 0x100n, XD: 1n << 63n } as const;
const PKEY_SHIFT = 59n;
const WRITE_BACK = 6n << 3n;
const Ept = { RWX: 7n, USER_X: 0x400n } as const;
const EPT_ALL = Ept.RWX | Ept.USER_X;

/** Random numbers, and what a seed comes back to again and again, so that caches have something to keep. */
export interface Random {
  (): number;
  /** Probe pages. */
  readonly pages: readonly number[];
  /** Guests: VPID (0: none), extended hierarchy (-1: none) and address space. */
  readonly guests: readonly (readonly [vpid: number, ept: number, root: number])[];
}
export function randomOf(seed: number): Random {
  const next = randomNumbers(Math.imul(seed, 0x9e3779b1) | 1);
  const pages = Array.from({ length: 5 }, () => next() % USER_CODE_PAGE);
  const guests = Array.from(
    { length: 2 },
    () => [1 + (next() % 3), (next() % (EPTS + 1)) - 1, next() % ROOTS] as const,
  );
  return Object.assign(next, { pages, guests });
}
export const below = (next: Random, n: number): number => next() % n;
export const chance = (next: Random, percent: number): boolean => next() % 100 < percent;
export const pick = <T>(next: Random, list: readonly T[]): T => list[next() % list.length];

export const rootOf = (n: number): number => TABLES_AT + n * 0x4000;
/** The directory of an address space, which PAE paging finds by a PDPTE. */
export const directoryOf = (n: number): number => rootOf(n) + 0x2000;
export const pteOf = (root: number, page: number): number => rootOf(root) + 0x3000 + 8 * page;
const eptAt = (n: number): number => EPT_AT + n * 0x6000;
export const eptPointer = (n: number, dirty: boolean): number => eptAt(n) | 0x1e | (dirty ? 0x40 : 0);
export const eptEntryOf = (n: number, frame: number): number => eptAt(n) + 0x3000 + 8 * (frame >> 12);
export const frame = (n: number): number => FRAME_AT + 0x1000 * n;

/** An entry for a probe page: any frame, any rights, now and then absent. */
export function randomPte(next: Random, isGlobal: boolean): bigint {
  let entry = BigInt(frame(below(next, FRAMES)));
  if (chance(next, 95)) entry |= Pte.P;
  if (chance(next, 65)) entry |= Pte.W;
  if (chance(next, 50)) entry |= Pte.U;
  if (chance(next, 15)) entry |= Pte.XD;
  // Which of the entries of a global page gets marked depends on where it was found first: they are marked already.
  if (isGlobal) entry |= Pte.G | Pte.A | Pte.D;
  return chance(next, 55) ? entry : entry | (BigInt(below(next, 4)) << PKEY_SHIFT);
}
/**
 * An entry for a frame in extended page tables. Writable without readable would be a misconfiguration, which is welcome
 * too. User code asks for a bit of its own where mode-based execute control is on.
 */
export function randomEptEntry(next: Random, at: number): bigint {
  const rights = chance(next, 75) ? Ept.RWX : BigInt(below(next, 8));
  return BigInt(at) | WRITE_BACK | rights | (chance(next, 60) ? Ept.USER_X : 0n);
}

function fillRoots(lab: Lab, next: Random): void {
  const shared = Array.from({ length: GLOBAL_PAGES }, () => randomPte(next, true));
  for (let n = 0; n < ROOTS; n++) {
    const root = rootOf(n);
    lab.put64(root, BigInt(root + 0x1000) | 7n);
    lab.put64(root + 0x1000, BigInt(root + 0x2000) | 7n);
    lab.put64(root + 0x2000, Pte.PS | 3n);
    lab.put64(root + 0x2008, 0x200000n | Pte.PS | 3n);
    lab.put64(root + 0x2010, BigInt(root + 0x3000) | 7n);
    // The frames once more, in one page of 2 MiB for users.
    lab.put64(root + 0x2018, Pte.PS | (chance(next, 50) ? 7n : 5n));
    for (let page = 0; page < PAGES; page++) lab.put64(pteOf(n, page), shared[page] ?? randomPte(next, false));
    lab.put64(pteOf(n, USER_CODE_PAGE), BigInt(USER_CODE_AT) | 5n);
    lab.put64(pteOf(n, USER_STACK_PAGE), BigInt(USER_STACK_AT) | 7n | Pte.XD);
  }
}

function fillEpts(lab: Lab, next: Random): void {
  for (let n = 0; n < EPTS; n++) {
    const at = eptAt(n);
    lab.put64(at, BigInt(at + 0x1000) | EPT_ALL);
    lab.put64(at + 0x1000, BigInt(at + 0x2000) | EPT_ALL);
    for (const third of [0, 1, 2]) lab.put64(at + 0x2000 + 8 * third, BigInt(at + 0x3000 + third * 0x1000) | EPT_ALL);
    for (let pa = 0; pa < 0x400000; pa += 0x1000) lab.put64(eptEntryOf(n, pa), BigInt(pa) | WRITE_BACK | EPT_ALL);
    for (let k = 0; k < FRAMES; k++) lab.put64(eptEntryOf(n, frame(k)), randomEptEntry(next, frame(k)));
    for (let k = 0; k < PAGES; k++)
      lab.put64(eptEntryOf(n, PROBE + 0x1000 * k), randomEptEntry(next, frame(below(next, FRAMES))));
  }
}

export const put = (lab: Lab, code: Code): void => {
  lab.core.memory.bytes(code.at, code.bytes.length).set(code.bytes);
  lab.core.invalidateCode(code.at, code.bytes.length);
};

/** Exceptions with error codes (SDM Vol. 3A, "Error Code"). */
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17, 21];

/** Handlers fold what they know into R14, put the stack back, and go on with the next piece. */
function fillHandlers(lab: Lab): void {
  // pop rdx; fold CS:RIP's offset, CR2, DR6; clear DR6; mov rsp, STACK0; jmp dispatcher
  const common = new Code(HANDLER - 0x200);
  common.fold().hex('48 89 c8').fold().hex('58').fold().hex('0f 20 d0').fold().hex('0f 21 f0').fold();
  common.hex('b8 f0 0f ff ff 0f 23 f0').hex('bc').hex('00 00 03 00').jmp(DISPATCHER);
  put(lab, common);
  if (STACK0 !== 0x30000) throw new Error('mov esp, STACK0 above is out of date');
  for (const vector of [...Array(32).keys(), USER_RETURN_VECTOR, IPI_VECTOR]) {
    const code = new Code(HANDLER + 64 * vector);
    // RCX = error code; RAX = vector, after what user code left in it
    code
      .hex(WITH_ERROR_CODE.includes(vector) ? '59' : '31 c9')
      .fold()
      .mov(0, vector);
    if (vector === IPI_VECTOR) code.wrmsr(0x80b, 0);
    put(lab, code.jmp(common.at));
    lab.put64(IDT + 16 * vector, gate(Sel.CODE64, code.at, vector === USER_RETURN_VECTOR ? 0xee : 0x8e));
    lab.put64(IDT + 16 * vector + 8, 0n);
  }
}

/**
 * Makes the world in the memory of `lab`: the same for the same random numbers. `piece` appends one random piece of
 * code; the pieces are called at random for ever.
 */
export function buildWorld(lab: Lab, next: Random, count: number, piece: (code: Code, next: Random) => void): void {
  for (let n = 0; n < FRAMES; n++) {
    const bytes = lab.core.memory.bytes(frame(n), 0x1000);
    for (let k = 0; k < 0x1000; k++) bytes[k] = next();
    bytes.set(new Code(frame(n)).hex(`b8 ${(0x10 + n).toString(16)} 00 00 00 c3`).bytes);
  }
  fillRoots(lab, next);
  fillEpts(lab, next);
  fillHandlers(lab);
  // mov rax, 6364136223846793005; imul r15, rax; lea r15, [r15 + 0x7321]; mov rax, r15; shr rax, 40; and eax, count - 1
  const dispatch = new Code(DISPATCHER).mov(0, 6364136223846793005n).hex('4c 0f af f8 4d 8d bf 21 73 00 00');
  dispatch
    .hex('4c 89 f8 48 c1 e8 28 25')
    .hex(`${(count - 1).toString(16)} 00 00 00`)
    .hex('ff 24 c5 00 00 06 00');
  put(lab, dispatch);
  if (PIECE_TABLE !== 0x60000 || count > 0x100) throw new Error('the dispatcher above is out of date');
  let at = PIECES_AT;
  for (let n = 0; n < count; n++) {
    const code = new Code(at);
    piece(code, next);
    put(lab, code.jmp(DISPATCHER));
    lab.put64(PIECE_TABLE + 8 * n, BigInt(at));
    at += code.bytes.length + below(next, 16);
  }
  if (at > PIECES_END) throw new Error(`the pieces end at 0x${at.toString(16)}`);
  lab.set({ cr3: rootOf(0), rip: DISPATCHER, rsp: STACK0, r14: 0, r15: BigInt(next()) });
}
