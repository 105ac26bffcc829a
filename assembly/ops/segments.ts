/** Loads of segment registers as real-address and virtual-8086 mode do them. */
import { Seg } from '../cpu/state';
import { inV86, Rights, selector, setSegBase, setSegment, setSelector } from '../cpu/segments';

const V86_RIGHTS: u32 = 0xf3;

/**
 * In real-address mode a load changes selector and base only: limit and rights stay what they were, which is how
 * "unreal" mode comes about. In virtual-8086 mode all of the hidden part is fixed.
 */
export function setRealSegment(s: u32, sel: u32): void {
  const base = <u64>(sel & 0xffff) << 4;
  if (inV86()) setSegment(s, sel, base, 0xffff, V86_RIGHTS);
  else {
    setSelector(s, sel);
    setSegBase(s, base);
  }
}
