/**
 * What fast paths keep from one VM entry to the next, and the key that guards each. The key must hold everything that
 * the kept thing was made of: what is missing is a bug that only a certain order of entries shows. Each line but
 * the last, which trusts nothing, has an assertion in the test build.
 *
 *   kept                                      its key                                          asserted in
 *   checks of controls, host and guest state  the bytes of those fields: region against        vmx/check-controls.ts,
 *     that need not be made again (Clean)       ENTERED (vmx/entered.ts)                         -host.ts, -guest.ts
 *   guestIntercepts, the word of intercepts   Clean.CONTROLS                                   here
 *   HOST_SEG, segments that an exit loads     Clean.HOST (and CONTROLS, which clears it)       here
 *   GUEST_SEG, segments that an entry loads   Clean.SEGMENTS                                   vmx/entered.ts
 *   translations in TLB banks                 space and key of the bank (mmu/tlb.ts, keyOf)    mmu/mode.ts, exec/run.ts
 *   decoded blocks by linear address          cpu.ctx: generation of the bank, and mode key    mmu/mode.ts, exec/run.ts
 *   translations of guest-physical addresses  the EPT pointer that they came through           mmu/ept.ts, nested
 *   partner of a bank                         none: a hint, whose space and key are looked at  mmu/tlb.ts
 */
import { cpu, HOST_SEG } from '../cpu/state';
import { Clean, copySegments, isClean } from '../vmx/entered';
import { prepareHost } from '../vmx/host';
import { interceptsOf } from '../vmx/intercepts';

const SEGMENTS_SIZE: usize = 256;
const BEFORE: usize = memory.data(256);

/** For assertions, at VM entry: is what clean fields vouch for what those fields make of it? */
export function areKeptCurrent(): bool {
  if (isClean(Clean.CONTROLS) && cpu.guestIntercepts != interceptsOf()) return false;
  return !isClean(Clean.HOST) || isHostImageCurrent();
}
function isHostImageCurrent(): bool {
  copySegments(BEFORE, HOST_SEG);
  prepareHost();
  return memory.compare(BEFORE, HOST_SEG, SEGMENTS_SIZE) == 0;
}
