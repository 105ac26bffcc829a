/** Which suites a folder of third-party programs has, and how they are run. */
import { describe, expect, it } from 'vitest';
import { suitesOf, wordsOf } from '../../tools/kvm-unit-suites.ts';

describe('the suites of a folder', () => {
  it('are those of the files there are, and one for every other file', () => {
    const names = suitesOf(['smptest', 'umip'], []).map(({ name }) => name);
    expect(names).toEqual(['smptest', 'smptest3', 'umip']);
  });
  it('leave out what judges KVM, unless it is named', () => {
    expect(suitesOf(['hyperv_clock'], [])).toEqual([]);
    expect(suitesOf(['hyperv_clock'], ['hyperv_clock'])).toEqual([{ name: 'hyperv_clock' }]);
  });
  it('are named by their own names', () => {
    expect(suitesOf(['smptest'], ['smptest3'])).toEqual([{ name: 'smptest3', file: 'smptest', smp: 3 }]);
    expect(() => suitesOf(['smptest'], ['ioapic'])).toThrow('there is no ioapic.flat');
  });
  it('say what differs from the defaults', () => {
    const [xapic] = suitesOf(['apic'], ['xapic']);
    expect(wordsOf(xapic)).toBe('-smp 2 -cpu max,+tsc-deadline,-x2apic -initrd env');
    expect(wordsOf({ name: 'umip' })).toBe('');
  });
});
