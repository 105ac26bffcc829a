/** A submission queue entry, read once (NVM Express Base Specification 1.4, "Submission Queue Entry"). */
import { NAMESPACE, NvmeError, Status } from './spec.ts';

/** Fused operations and SGLs, which there are none of. */
const FUSE_AND_PSDT = 0xc300;

export type Command = {
  opcode: number;
  cid: number;
  nsid: number;
  prp1: number;
  prp2: number;
  /** Command dwords 10 to 15. */
  dwords: readonly number[];
};

export function readCommand(view: DataView): Command {
  const first = view.getUint32(0, true);
  const word = (at: number): number => view.getUint32(at, true);
  const command = {
    opcode: first & 0xff,
    cid: first >>> 16,
    nsid: word(4),
    prp1: word(28) * 2 ** 32 + word(24),
    prp2: word(36) * 2 ** 32 + word(32),
    dwords: [40, 44, 48, 52, 56, 60].map(word),
  };
  return (first & FUSE_AND_PSDT) === 0 ? command : { ...command, opcode: UNSUPPORTED };
}

/** An opcode outside of eight bits: there is no such command. */
const UNSUPPORTED = 0x100;

/** Throws NvmeError for a command to another namespace than the only one. */
export function checkNamespace({ nsid }: Command): void {
  if (nsid !== NAMESPACE) throw new NvmeError(Status.INVALID_NAMESPACE, `namespace ${nsid}`);
}
