/**
 * Linear addresses to physical ones, for people who look at a guest from outside: the tables are read, nothing is marked
 * accessed, permissions do not matter (SDM Vol. 3A, "Paging").
 */
import { check, isBigInt } from '../../checks.ts';
import { Cr0, Cr4, Efer } from '../../core/enums.gen.ts';
import type { Core } from '../../core/types.ts';

const PRESENT = 1n;
const LARGE = 0x80n;
const FRAME = 0xf_ffff_ffff_f000n;

/** The physical address of `linear`, or null if no table maps it or a table lies outside RAM. */
export function translate(core: Core, linear: bigint): number | null {
  check('translate: linear', linear, isBigInt);
  if ((core.get('cr0') & Cr0.PG) === 0n) return Number(linear & 0xffff_ffffn);
  const cr4 = core.get('cr4');
  const cr3 = core.get('cr3');
  if ((core.get('efer') & Efer.LMA) !== 0n) return walk(core, cr3 & FRAME, linear, (cr4 & Cr4.LA57) === 0n ? 4 : 5);
  if ((cr4 & Cr4.PAE) === 0n) return walkOld(core, cr3 & 0xffff_f000n, linear, (cr4 & Cr4.PSE) !== 0n);
  const pointer = entryAt(core, (cr3 & 0xffff_ffe0n) + ((linear >> 30n) & 3n) * 8n, 8);
  return pointer & PRESENT ? walk(core, pointer & FRAME, linear, 2) : null;
}

/** Tables of 512 entries, `levels` of them. */
function walk(core: Core, root: bigint, linear: bigint, levels: number): number | null {
  let table = root;
  for (let level = levels - 1; level >= 0; level--) {
    const shift = BigInt(12 + 9 * level);
    const entry = entryAt(core, table + ((linear >> shift) & 511n) * 8n, 8);
    if ((entry & PRESENT) === 0n) return null;
    if (level === 0 || (entry & LARGE && level < 3)) {
      const offset = (1n << shift) - 1n;
      return Number((entry & FRAME & ~offset) | (linear & offset));
    }
    table = entry & FRAME;
  }
  return null;
}

/** Two tables of 1024 entries, with 4 MiB pages where PSE is on. */
function walkOld(core: Core, root: bigint, linear: bigint, pse: boolean): number | null {
  const directory = entryAt(core, root + ((linear >> 22n) & 1023n) * 4n, 4);
  if ((directory & PRESENT) === 0n) return null;
  if (pse && directory & LARGE) {
    const high = (directory >> 13n) & 0xffn;
    return Number((high << 32n) | (directory & 0xffc0_0000n) | (linear & 0x3f_ffffn));
  }
  const entry = entryAt(core, (directory & 0xffff_f000n) + ((linear >> 12n) & 1023n) * 4n, 4);
  return entry & PRESENT ? Number((entry & 0xffff_f000n) | (linear & 0xfffn)) : null;
}

/** An entry that cannot be read is not present. */
function entryAt(core: Core, at: bigint, size: 4 | 8): bigint {
  const bytes = ramAt(core, Number(at), size);
  if (!bytes) return 0n;
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}

function ramAt(core: Core, pa: number, length: number): Uint8Array | null {
  try {
    return core.memory.bytes(pa, length);
  } catch {
    return null;
  }
}

/** Up to `length` bytes from linear address `linear` on; fewer if a page is missing or not RAM. */
export function readLinear(core: Core, linear: bigint, length: number): Uint8Array {
  const out: number[] = [];
  for (let i = 0; i < length; i++) {
    const pa = translate(core, linear + BigInt(i));
    const bytes = pa === null ? null : ramAt(core, pa, 1);
    if (!bytes) break;
    out.push(bytes[0]);
  }
  return Uint8Array.from(out);
}
