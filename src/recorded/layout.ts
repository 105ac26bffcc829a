/**
 * Where the sandbox of the instruction vectors keeps its things: physical frames of guest RAM, and the linear
 * addresses of the supervisor's pages (in the upper half, where no case ever reaches).
 */

export const PAGE_SIZE = 4096;

const FIRST_FRAME = 0x100000;

/** Physical addresses. */
export const FRAME = {
  IDT: FIRST_FRAME,
  GDT: FIRST_FRAME + 1 * PAGE_SIZE,
  TSS: FIRST_FRAME + 2 * PAGE_SIZE,
  HANDLERS: FIRST_FRAME + 3 * PAGE_SIZE,
  STACK: FIRST_FRAME + 4 * PAGE_SIZE,
  CODE: FIRST_FRAME + 5 * PAGE_SIZE,
  MEM: FIRST_FRAME + 6 * PAGE_SIZE,
  LOW: FIRST_FRAME + 7 * PAGE_SIZE,
  TABLES: FIRST_FRAME + 8 * PAGE_SIZE,
} as const;

/** Frames for page tables: four levels for each user page, the one below the hole and the supervisor, at the most. */
export const TABLE_FRAMES = 20;

/** Guest RAM that the sandbox needs, in bytes. */
export const SANDBOX_RAM = FRAME.TABLES + TABLE_FRAMES * PAGE_SIZE;

/** The last page below the non-canonical hole was a supervisor's where the vectors were recorded: #PF there has P set. */
export const LAST_USER_PAGE = 0x7fff_ffff_f000n;

const SUPERVISOR_BASE = 0xffff_8000_0000_0000n;

/** Linear address at which the supervisor sees one of its frames. */
export function supervisorAddress(frame: number): bigint {
  return SUPERVISOR_BASE + BigInt(frame - FIRST_FRAME);
}

/** Frames mapped for the supervisor only. */
export const SUPERVISOR_FRAMES = [FRAME.IDT, FRAME.GDT, FRAME.TSS, FRAME.HANDLERS, FRAME.STACK] as const;

export const SELECTOR = {
  KERNEL_CODE: 0x10,
  KERNEL_DATA: 0x18,
  USER_CODE_32: 0x23,
  USER_DATA: 0x2b,
  USER_CODE_64: 0x33,
  TSS: 0x40,
} as const;

export const HANDLER_STRIDE = 16;
/** A handler writes to this port, which is how the embedder learns that a case is over. */
export const DONE_PORT = 0xf4;
