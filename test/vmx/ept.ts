/** Extended page tables in the lab's memory: the first 4 MiB one to one, page by page. */
import { TABLES } from '../exec/lab.ts';
import type { VmxLab } from './lab.ts';

/** Rights in entries; `ALL` is every access by supervisor-mode linear addresses. */
export const Ept = {
  R: 1n,
  W: 2n,
  X: 4n,
  ALL: 7n,
  LARGE: 0x80n,
  A: 0x100n,
  D: 0x200n,
  XU: 0x400n,
  SUPPRESS: 1n << 63n,
} as const;
export const WRITE_BACK = 6n << 3n;

/** Bits of the exit qualification of EPT violations (SDM Vol. 3C, "Exit Qualification for EPT Violations"). */
export const Violation = {
  READ: 1n,
  WRITE: 2n,
  FETCH: 4n,
  /** The rights that the entries gave are in bits 5:3, for user-mode execution in bit 6. */
  RIGHTS: 3n,
  LINEAR: 0x80n,
  TRANSLATED: 0x100n,
  USER: 0x200n,
  WRITABLE: 0x400n,
  EXECUTE_DISABLE: 0x800n,
  UNBLOCKED_BY_IRET: 0x1000n,
} as const;
/** What the qualification says of an access to a page of the lab, which its paging gives to everybody for everything. */
export const TRANSLATED = Violation.LINEAR | Violation.TRANSLATED | Violation.USER | Violation.WRITABLE;

export const EPT = 0x200000;
const PAGES = 1024;
const SIZE = 5 * 0x1000;

export class ExtendedTables {
  private readonly vmx: VmxLab;
  private readonly at: number;

  /** Of several hierarchies, this is number `index`. */
  constructor(vmx: VmxLab, index = 0) {
    this.vmx = vmx;
    this.at = EPT + index * SIZE;
    for (const level of [3, 2, 1]) this.setEntry(level, 0, Ept.ALL | Ept.XU | BigInt(this.at + (4 - level) * 0x1000));
    this.setEntry(1, 0x200000, Ept.ALL | Ept.XU | BigInt(this.at + 0x4000));
    for (let n = 0; n < PAGES; n++) this.set(n * 0x1000, Ept.ALL | Ept.XU);
  }
  /** The EPT pointer: write-back, four levels. */
  get pointer(): bigint {
    return BigInt(this.at) | 0x1en;
  }
  private place(level: number, gpa: number): number {
    const index = Math.floor(gpa / 2 ** (12 + 9 * level)) % 512;
    const page = level === 0 && gpa >= 0x200000 ? 4 : 3 - level;
    return this.at + 0x1000 * page + 8 * index;
  }
  /** The entry of `gpa` in a table of level `level`: 0 for page tables. */
  entry(level: number, gpa: number): bigint {
    return this.vmx.lab.view().getBigUint64(this.place(level, gpa), true);
  }
  setEntry(level: number, gpa: number, entry: bigint): void {
    this.vmx.lab.put64(this.place(level, gpa), entry);
  }
  /** Changes bits of an entry. */
  change(level: number, gpa: number, clear: bigint, add = 0n): void {
    this.setEntry(level, gpa, (this.entry(level, gpa) & ~clear) | add);
  }
  /** The page of `gpa` gets these bits, and is at `pa`. */
  set(gpa: number, bits: bigint, pa = gpa): void {
    this.setEntry(0, gpa, BigInt(pa & ~0xfff) | WRITE_BACK | bits);
  }
  /** Maps the 2 MiB of `gpa` one to one by one entry. */
  setLarge(gpa: number, bits: bigint): void {
    this.setEntry(1, gpa, (BigInt(gpa) & ~0x1fffffn) | WRITE_BACK | Ept.LARGE | bits);
  }
}

/** Of the guest's own paging: linear addresses from here on are mapped page by page, by a table of the lab. */
export const LINEAR = 0x400000;
export const GUEST_TABLE = 0x70000;
/** In the guest's 64-bit paging, maps the page of linear address LINEAR + 1000H * `n` to `gpa`. */
export function mapLinear(vmx: VmxLab, n: number, gpa: number, bits = 7): void {
  vmx.lab.put64(TABLES + 0x2010, BigInt(GUEST_TABLE | 7));
  vmx.lab.put64(GUEST_TABLE + 8 * n, BigInt(gpa + bits));
}
