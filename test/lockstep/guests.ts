/**
 * Guests of the lock-step judge: what VM entry loads for them, and the single things in which one guest differs from the
 * next while VPID, EPT pointer and PCID stay. A VPID and a PCID always mean the same address space, so that no
 * invalidation is owed.
 */

import { Sel } from '../exec/lab.ts';
import { controls, Secondary } from '../vmx/controls.ts';
import type { Fields } from '../vmx/lab.ts';
import {
  below,
  chance,
  directoryOf,
  EPTS,
  eptPointer,
  PROBE,
  pick,
  type Random,
  ROOTS,
  rootOf,
  USER_CODE_AT,
  USER_CODE_PAGE,
  USER_STACK_AT,
  USER_STACK_PAGE,
} from './world.ts';

/** At CPL 0 and 3 of 64-bit mode, at CPL 3 of compatibility mode; at CPL 0 without paging and with PAE paging. */
type Mode = 'long' | 'user' | 'compat' | 'unpaged' | 'pae';
const MODES: readonly Mode[] = ['long', 'long', 'user', 'compat', 'unpaged', 'pae'];

/** A guest, but for what it does. */
export interface Guest {
  readonly mode: Mode;
  /** 0: none. */
  readonly vpid: number;
  /** Extended hierarchy; -1: none. */
  readonly ept: number;
  readonly root: number;
  /** In IA-32e mode: CR4.PCIDE. Without it the address space has PCID 0, so that it must be number 0. */
  readonly pcids: boolean;
  /** Random bits of the registers. */
  readonly cr0: number;
  readonly cr4: number;
  readonly efer: number;
  readonly alignmentCheck: boolean;
  readonly dr7: number;
  /** Mode-based execute control for EPT. */
  readonly modeBased: boolean;
}

const Cr0 = { PG: 0x8000_0000, VMX_ALWAYS: 0x21 };
const Cr4 = { PAE: 0x20, PCIDE: 0x20000, VMX_ALWAYS: 0x2000 };
const Efer = { SCE: 1, LME_LMA: 0x500, NXE: 0x800 };
const ENTRY = { MUST: 0x11fb, LOAD_DEBUG: 4, IA32E: 0x200, LOAD_EFER: 0x8000 };
const EFLAGS_AC = 0x40000;
const DR7_FIXED = 0x400;
const RDTSCP = 8;

/** WP, AM, TS, EM, MP */
const CR0_BITS = [0x10000, 0x40000, 8, 4, 2];
/** PGE, SMEP, SMAP, PKE, PKS: what permissions depend on; TSD, OSFXSR, UMIP, FSGSBASE, OSXSAVE */
const CR4_PAGING = [0x80, 0x100000, 0x200000, 0x400000, 0x1000000];
const CR4_OTHER = [4, 0x200, 0x800, 0x10000, 0x40000];

const some = (next: Random, bits: readonly number[]): number =>
  bits.reduce((sum, bit) => (chance(next, 50) ? sum | bit : sum), 0);

/** Breakpoint 0 on data of four bytes, for stores or for every access. */
const armed = (next: Random): number => DR7_FIXED | 2 | (pick(next, [1, 3]) << 16) | (3 << 18);

const isLong = ({ mode }: Guest): boolean => mode !== 'unpaged' && mode !== 'pae';
const isUser = ({ mode }: Guest): boolean => mode === 'user' || mode === 'compat';

export function randomGuest(next: Random): Guest {
  const anywhere = [below(next, 4), below(next, EPTS + 1) - 1, below(next, ROOTS)] as const;
  const [vpid, wantedEpt, wantedRoot] = chance(next, 85) ? pick(next, next.guests) : anywhere;
  const mode = pick(next, MODES);
  const plain = mode === 'unpaged' || mode === 'pae' || chance(next, 35);
  return {
    mode,
    vpid,
    ept: plain ? Math.max(0, wantedEpt) : wantedEpt,
    root: plain ? 0 : wantedRoot,
    pcids: !plain && (wantedRoot !== 0 || chance(next, 50)),
    cr0: some(next, CR0_BITS),
    cr4: some(next, CR4_PAGING) | some(next, CR4_OTHER),
    efer: chance(next, 50) ? Efer.NXE : 0,
    alignmentCheck: chance(next, 30),
    dr7: chance(next, 80) ? DR7_FIXED : armed(next),
    modeBased: chance(next, 30),
  };
}

/** The same guest but for one thing; undefined where it has no such thing. */
type Change = (guest: Guest, next: Random) => Partial<Guest> | undefined;
const CHANGES: readonly Change[] = [
  ({ cr0 }, next) => ({ cr0: cr0 ^ pick(next, CR0_BITS) }),
  ({ cr0 }) => ({ cr0: cr0 ^ CR0_BITS[0] }),
  ({ cr4 }, next) => ({ cr4: cr4 ^ pick(next, CR4_PAGING) }),
  ({ cr4 }, next) => ({ cr4: cr4 ^ pick(next, CR4_PAGING) }),
  ({ cr4 }, next) => ({ cr4: cr4 ^ pick(next, CR4_OTHER) }),
  ({ cr4 }, next) => ({ cr4: cr4 ^ pick(next, CR4_PAGING) }),
  ({ efer }) => ({ efer: efer ^ Efer.NXE }),
  ({ dr7 }, next) => ({ dr7: dr7 === DR7_FIXED ? armed(next) : DR7_FIXED }),
  ({ alignmentCheck }) => ({ alignmentCheck: !alignmentCheck }),
  ({ modeBased, ept }) => (ept < 0 ? undefined : { modeBased: !modeBased }),
  ({ vpid }, next) => ({ vpid: (vpid + pick(next, [1, 2])) % 4 }),
  ({ ept }) => (ept < 0 ? undefined : { ept: (ept + 1) % EPTS }),
  (guest, next) => (isLong(guest) ? { mode: pick(next, ['long', 'user', 'compat'] as const) } : undefined),
  pagingChanges,
  pagingChanges,
];
function pagingChanges({ mode, ept, root, pcids }: Guest, next: Random): Partial<Guest> | undefined {
  if (ept < 0 || root !== 0 || pcids) return undefined;
  return {
    mode: pick(
      next,
      (['long', 'unpaged', 'pae'] as const).filter((other) => other !== mode),
    ),
  };
}
export function changed(guest: Guest, next: Random): Guest {
  for (;;) {
    const change = pick(next, CHANGES)(guest, next);
    if (change) return { ...guest, ...change };
  }
}

/** Linear address at which the guest sees the page of user code. */
export const codeOf = (guest: Guest): number => (isUser(guest) ? PROBE + 0x1000 * USER_CODE_PAGE : USER_CODE_AT);

/** The fields that make it, but for RIP. */
export function fieldsOf(guest: Guest): Fields {
  const { mode, root, pcids, vpid, ept } = guest;
  const [paged, long] = [mode !== 'unpaged', isLong(guest)];
  const ring3 = isUser(guest) ? 0x60 : 0;
  const page = directoryOf(root) | 1;
  const secondary =
    RDTSCP |
    (ept >= 0 ? Secondary.EPT | Secondary.UNRESTRICTED | (guest.modeBased ? Secondary.MODE_BASED_EXECUTE : 0) : 0) |
    (vpid > 0 ? Secondary.VPID : 0);
  const { PRIMARY_CONTROLS, SECONDARY_CONTROLS } = controls({ secondary });
  return {
    GUEST_CR0: (paged ? Cr0.PG : 0) + (Cr0.VMX_ALWAYS | guest.cr0),
    GUEST_CR4: Cr4.VMX_ALWAYS | guest.cr4 | (paged ? Cr4.PAE : 0) | (pcids ? Cr4.PCIDE : 0),
    GUEST_CR3: rootOf(root) | (pcids ? root : 0),
    GUEST_EFER: Efer.SCE | (long ? Efer.LME_LMA : 0) | guest.efer,
    GUEST_RSP: (isUser(guest) ? PROBE + 0x1000 * USER_STACK_PAGE : USER_STACK_AT) + 0x800,
    GUEST_RFLAGS: 2 | (guest.alignmentCheck ? EFLAGS_AC : 0),
    GUEST_CS_SELECTOR: ring3 ? Sel.USER_CODE64 : Sel.CODE64,
    GUEST_CS_ACCESS_RIGHTS: (mode === 'long' || mode === 'user' ? 0xa09b : 0xc09b) | ring3,
    GUEST_SS_SELECTOR: ring3 ? Sel.USER_DATA : Sel.DATA,
    GUEST_SS_ACCESS_RIGHTS: 0xc093 | ring3,
    GUEST_DR7: guest.dr7,
    GUEST_INTERRUPTIBILITY_STATE: 0,
    GUEST_PENDING_DEBUG_EXCEPTIONS: 0,
    ...(mode === 'pae' ? { GUEST_PDPTE0: page, GUEST_PDPTE1: 0, GUEST_PDPTE2: 0, GUEST_PDPTE3: 0 } : {}),
    ENTRY_CONTROLS: ENTRY.MUST | ENTRY.LOAD_EFER | (long ? ENTRY.IA32E : 0) | ENTRY.LOAD_DEBUG,
    PRIMARY_CONTROLS,
    SECONDARY_CONTROLS,
    VPID: vpid,
    EPTP: eptPointer(Math.max(0, ept), ept === 1),
    EXCEPTION_BITMAP: 0xffff_ffff,
  };
}
/** Of these fields, those that are after a VM exit what they were before the entry. */
export const KEPT: ReadonlySet<string> = new Set([
  'GUEST_CS_SELECTOR',
  'GUEST_CS_ACCESS_RIGHTS',
  'GUEST_SS_SELECTOR',
  'GUEST_SS_ACCESS_RIGHTS',
  'ENTRY_CONTROLS',
  'PRIMARY_CONTROLS',
  'SECONDARY_CONTROLS',
  'VPID',
  'EPTP',
  'EXCEPTION_BITMAP',
]);
