/** Numbers of the NVM Express Base Specification 1.4, by its names. */
import type { Width } from '../../core/types.ts';

/** "Controller Registers". */
export const Reg = {
  CAP: 0x00,
  VS: 0x08,
  INTMS: 0x0c,
  INTMC: 0x10,
  CC: 0x14,
  CSTS: 0x1c,
  AQA: 0x24,
  ASQ: 0x28,
  ACQ: 0x30,
  DOORBELLS: 0x1000,
} as const;
export const Enable = { EN: 1, CSS: 0x70, MPS: 0x780, AMS: 0x3800, SHN: 0xc000 } as const;
export const ControllerStatus = { RDY: 1, CFS: 2, SHUTDOWN_COMPLETE: 8 } as const;
export const VERSION = 0x0001_0400;

export const PAGE = 4096;
export const BLOCK = 512;
/** Entries of a queue at most. */
export const MAX_QUEUE = 1024;
/** The longest transfer is 2^7 pages. */
export const MDTS = 7;
export const MAX_TRANSFER = PAGE << MDTS;
export const COMMAND_BYTES = 64;
export const COMPLETION_BYTES = 16;
export const NAMESPACE = 1;
export const ALL_NAMESPACES = 0xffff_ffff;
export const ASYNC_EVENT_LIMIT = 4;

/** "Opcodes for Admin Commands". */
export const Admin = {
  DELETE_SQ: 0x00,
  CREATE_SQ: 0x01,
  GET_LOG_PAGE: 0x02,
  DELETE_CQ: 0x04,
  CREATE_CQ: 0x05,
  IDENTIFY: 0x06,
  ABORT: 0x08,
  SET_FEATURES: 0x09,
  GET_FEATURES: 0x0a,
  ASYNC_EVENT: 0x0c,
} as const;
/** "Opcodes for NVM Commands". */
export const Io = { FLUSH: 0x00, WRITE: 0x01, READ: 0x02, WRITE_ZEROES: 0x08, DATASET: 0x09 } as const;
/** "Feature Identifiers". */
export const FeatureId = { TEMPERATURE: 4, WRITE_CACHE: 6, QUEUES: 7, LAST: 0xb } as const;
/** "Log Page Identifiers". */
export const Log = { ERROR: 1, SMART: 2, FIRMWARE: 3 } as const;

const COMMAND_SPECIFIC = 0x100;
const MEDIA = 0x200;
/** Status code type and status code: "Status Field Definition". */
export const Status = {
  SUCCESS: 0,
  INVALID_OPCODE: 0x01,
  INVALID_FIELD: 0x02,
  DATA_TRANSFER: 0x04,
  INVALID_NAMESPACE: 0x0b,
  PRP_OFFSET: 0x13,
  LBA_RANGE: 0x80,
  INVALID_CQ: COMMAND_SPECIFIC,
  INVALID_QUEUE: COMMAND_SPECIFIC | 0x01,
  INVALID_SIZE: COMMAND_SPECIFIC | 0x02,
  ASYNC_LIMIT: COMMAND_SPECIFIC | 0x05,
  INVALID_VECTOR: COMMAND_SPECIFIC | 0x08,
  INVALID_LOG: COMMAND_SPECIFIC | 0x09,
  QUEUE_IN_USE: COMMAND_SPECIFIC | 0x0c,
  NOT_SAVEABLE: COMMAND_SPECIFIC | 0x0d,
  READ_ONLY: COMMAND_SPECIFIC | 0x82,
  WRITE_FAULT: MEDIA | 0x80,
  READ_ERROR: MEDIA | 0x81,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** A command that cannot be done, by the status that says so. */
export class NvmeError extends Error {
  override readonly name = 'NvmeError';
  readonly status: Status;

  constructor(status: Status, message: string) {
    super(message);
    this.status = status;
  }
}

/** The part of a register that an access reads. */
export function shifted(value: number, offset: number, width: Width): number {
  const part = value >>> (8 * (offset & 3));
  return width === 4 ? part >>> 0 : part & ((1 << (8 * width)) - 1);
}
