/** Keeps what decoding and translation depend on in step with segments, control registers and privilege. */
import { computeModeKey } from '../cpu/segments';
import { computeBlocked } from '../cpu/vector-state';
import { selectBank } from './tlb';

/** To be called after any change of CS, SS, DS, ES, CPL, EFLAGS.VM or AC, CR0, CR3, CR4, XCR0 or EFER. */
export function updateMode(): void {
  computeBlocked();
  computeModeKey();
  selectBank();
}
