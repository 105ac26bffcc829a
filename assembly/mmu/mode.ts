/** Keeps what decoding and translation depend on in step with segments, control registers and privilege. */
import { cpu } from '../cpu/state';
import { watchesData } from '../cpu/debug';
import { computeModeKey } from '../cpu/segments';
import { computeBlocked } from '../cpu/vector-state';
import { isBankCurrent, selectBank, selectClass } from './tlb';

/** To be called after any change of CS, SS, DS, ES, CPL, EFLAGS.VM or AC, CR0, CR3, CR4, XCR0 or EFER. */
export function updateMode(): void {
  computeBlocked();
  computeModeKey();
  selectBank();
}
/** The same for code that changes neither control registers nor XCR0, nor EFER. */
export function updatePrivilege(): void {
  computeModeKey();
  selectClass();
}

/** Does everything that is derived from registers follow from them as they are? For assertions: it computes it anew. */
export function isModeCurrent(): bool {
  const blocked = cpu.blocked, key = cpu.modeKey, mask = cpu.laMask;
  computeBlocked();
  computeModeKey();
  return cpu.blocked == blocked && cpu.modeKey == key && cpu.laMask == mask && cpu.slowData == watchesData() && isBankCurrent();
}
