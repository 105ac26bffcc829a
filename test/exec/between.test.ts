/** What comes between two instructions, stepped and in one run (SDM Vol. 3A, "Priority Among Concurrent Events"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { LAYOUT } from '../../src/core/layout.gen.ts';
import { CODE, HANDLER, type Lab, longLab, Sel, STACK0, TABLES } from './lab.ts';

const TF = 0x102;
const IF = 0x202;
const handler = (vector: number) => HANDLER + 0x100 * vector;
const VECTORS = [1, 6, 14, 0x20, 0x41];

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  for (const vector of VECTORS) {
    lab.gate64(vector, BigInt(handler(vector)));
    lab.code(handler(vector), '90 90 f4');
  }
});

/** Runs to HLT and says where that is: `steps` at a time. */
function runToHalt(steps: number): number {
  for (let n = 0; n < 50 && lab.core.state.number('activity') === 0; n++) lab.core.run(steps);
  return Number(lab.get('rip'));
}
/** RIP behind the HLT of a handler. */
const end = (vector: number) => handler(vector) + 3;

describe.each([
  ['stepped', 1],
  ['in one run', 1000],
])('%s', (_, steps) => {
  it('the interrupt that a store to the local APIC sends to itself comes before the next instruction', () => {
    lab.core.writeMsr(0x1b, 0xfee00900n);
    lab.put64(TABLES + 0x1018, 0xc0000087n); // 3 GiB: a page of 1 GiB, one to one
    lab.set({ rflags: IF, rbx: 0, rdi: 0xfee00000, cr3: TABLES });
    lab.code(
      CODE,
      `
      c7 87 f0 00 00 00 ff 01 00 00  mov dword [rdi+0xf0], 0x1ff
      c7 87 00 03 00 00 41 00 04 00  mov dword [rdi+0x300], 0x40041
      48 ff c3                       inc rbx
      fa                             cli
      f4                             hlt
      `,
    );
    expect([runToHalt(steps), lab.get('rbx')]).toEqual([end(0x41), 0n]);
    expect(lab.stack(8, 1)).toEqual([CODE + 20]);
  });

  it('a data breakpoint that an instruction hit before it faulted is not reported', () => {
    lab.set({ dr0: 0x61000, dr7: 0xf0402, rsi: 0x61000, rdi: 0x800000 });
    lab.code(CODE, 'a5 f4'); // movsd
    expect(runToHalt(steps)).toBe(end(14));
    expect(lab.get('dr6') & 0xfn).toBe(0n);
  });

  it('a data breakpoint that the pushes of an event hit is reported before its handler', () => {
    lab.set({ dr0: STACK0 - 8, dr7: 0xf0402 });
    lab.code(CODE, '0f 0b');
    expect(runToHalt(steps)).toBe(end(1));
    expect(lab.stack(8, 1)).toEqual([handler(6)]);
  });

  it('of two loads of SS in a row only the first holds off the single step', () => {
    lab.set({ rax: Sel.DATA, rflags: TF });
    lab.code(CODE, '8e d0  mov ss, eax\n 8e d0  mov ss, eax\n 90  nop\n 90  nop');
    expect(runToHalt(steps)).toBe(end(1));
    expect(lab.stack(8, 1)).toEqual([CODE + 4]);
  });

  it('of two loads of SS in a row only the first holds off interrupts', () => {
    lab.set({ rax: Sel.DATA, rflags: IF });
    lab.code(CODE, '8e d0  mov ss, eax\n 8e d0  mov ss, eax\n 90  nop\n f4  hlt');
    lab.core.run(1);
    lab.core.setIntr(true);
    expect(runToHalt(steps)).toBe(end(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 4]);
  });

  it('a load of SS holds off the single step of one iteration of a repeated instruction', () => {
    lab.set({ rax: Sel.DATA, rflags: TF, rcx: 5, rdi: 0x60000 });
    lab.code(CODE, '8e d0  mov ss, eax\n f3 aa  rep stosb\n 90  nop');
    expect(runToHalt(steps)).toBe(end(1));
    expect([lab.get('rcx'), lab.stack(8, 3)]).toEqual([4n, [CODE + 2, Sel.CODE64, 0x10102]]);
  });

  it('STI holds off an interrupt for one iteration of a repeated instruction', () => {
    lab.set({ rcx: 5, rdi: 0x60000 });
    lab.code(CODE, 'fb  sti\n f3 aa  rep stosb\n f4  hlt');
    lab.core.run(1);
    lab.core.setIntr(true);
    expect(runToHalt(steps)).toBe(end(0x20));
    expect([lab.get('rcx'), lab.stack(8, 1)]).toEqual([4n, [CODE + 1]]);
  });
});

describe('an interrupt message of type ExtINT (SDM Vol. 3A, "Local Vector Table")', () => {
  const PIN = 3;
  const EXT_INT = 0x700;
  const LINT0_MASKED = 0x10000n;
  const program = (low: number) => {
    const entries = new DataView(lab.core.memory.bytes(0, 1).buffer, LAYOUT.IOAPIC + 16 + 8 * PIN, 8);
    entries.setUint32(0, low, true);
    entries.setUint32(4, 0, true);
  };
  beforeEach(() => {
    lab.core.writeMsr(0x1b, 0xfee00d00n);
    lab.core.writeMsr(0x835, LINT0_MASKED);
    program(EXT_INT);
    lab.code(CODE, '90  nop\n 90  nop\n fb  sti\n 90  nop\n f4  hlt');
  });

  it('interrupts with the vector that the interrupt controller tells, once', () => {
    lab.set({ rflags: IF });
    lab.core.setIoapicPin(PIN, true);
    lab.core.run(1);
    expect(lab.get('rip')).toBe(BigInt(handler(0x20)));
    lab.set({ rflags: IF });
    lab.core.run(2);
    expect(lab.get('rip')).toBe(BigInt(handler(0x20) + 2));
  });
  it('waits for IF', () => {
    lab.core.setIoapicPin(PIN, true);
    expect(runToHalt(1000)).toBe(end(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 4]);
  });
  it('does not come where the pin is masked', () => {
    program(EXT_INT | 0x10000);
    lab.core.setIoapicPin(PIN, true);
    expect(runToHalt(1000)).toBe(CODE + 5);
  });
});

describe('a request at the local APIC that waits for its priority (SDM Vol. 3A, "Task and Processor Priorities")', () => {
  beforeEach(() => {
    lab.core.writeMsr(0x1b, 0xfee00d00n);
    lab.core.writeMsr(0x80f, 0x1ffn);
    lab.gate64(0x81, BigInt(handler(0x21)));
    lab.set({ rflags: IF, rax: 0, rdx: 0 });
  });
  it('comes after the write that lowers TPR', () => {
    lab.core.writeMsr(0x808, 0x50n);
    lab.core.deliverMsi(0xfee00000, 0x41);
    lab.set({ rcx: 0x808 });
    lab.code(CODE, '90  nop\n 90  nop\n 0f 30  wrmsr\n 90  nop\n f4  hlt');
    expect(runToHalt(1000)).toBe(end(0x41));
    expect(lab.stack(8, 1)).toEqual([CODE + 4]);
  });
  it('comes after the EOI of the one above it', () => {
    lab.core.deliverMsi(0xfee00000, 0x81);
    lab.core.deliverMsi(0xfee00000, 0x41);
    lab.set({ rcx: 0x80b });
    lab.code(CODE, '90 f4');
    lab.code(handler(0x21), 'fb  sti\n 90  nop\n 90  nop\n 0f 30  wrmsr\n 90  nop\n f4  hlt');
    expect(runToHalt(1000)).toBe(end(0x41));
    expect(lab.stack(8, 1)).toEqual([handler(0x21) + 5]);
  });
});
