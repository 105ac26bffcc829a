// The coprocessor error logic: a latch for IRQ 13, and IGNNE# between the write to port F0 and the end of the error.
import { describe, expect, it } from 'vitest';
import { FpuError } from '../../src/devices/fpu-error.ts';

function logic(): { device: FpuError; seen: string[] } {
  const seen: string[] = [];
  const device = new FpuError({
    irq: (level) => seen.push(`irq ${level}`),
    ignne: (asserted) => seen.push(`ignne ${asserted}`),
  });
  return { device, seen };
}

describe('the coprocessor error logic', () => {
  it('requests IRQ 13 once for an error, until the write to port F0 that asserts IGNNE#', () => {
    const { device, seen } = logic();
    device.ferr(true);
    device.ferr(true);
    device.write(0, 1, 0);
    expect(seen).toEqual(['irq true', 'irq false', 'ignne true']);
  });

  it('takes IGNNE# back when FERR# goes away, and keeps a request that nobody cleared', () => {
    const { device, seen } = logic();
    device.ferr(true);
    device.ferr(false);
    expect(seen).toEqual(['irq true', 'ignne false']);
  });

  it('does not assert IGNNE# for a write without an error', () => {
    const { device, seen } = logic();
    device.write(0, 1, 0);
    expect(seen).toEqual(['irq false']);
  });
});
