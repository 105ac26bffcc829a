/** Exchanges with memory: what is written, what faults, and what LOCK is legal on (SDM Vol. 2A, "CMPXCHG" and "LOCK"). */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TABLES } from '../exec/lab.ts';
import { DATA, Flags, OpBench } from './op-bench.ts';

const UD = 6;
const GP = 13;
const PF = 14;
const WRITE_TO_READ_ONLY = 3;
/** In the second large page of the lab, which this test makes read-only. */
const READ_ONLY = 0x200100;
const CR0_WP = 0x10000;

let bench: OpBench;
beforeAll(async () => {
  bench = await OpBench.create();
  bench.lab.put64(TABLES + 0x2008, 0x200085n);
  bench.lab.set({ cr0: 0x80000011 | CR0_WP });
});
beforeEach(() => {
  bench.poke(DATA, 0x1111111122222222n);
  bench.poke(DATA + 8, 0x3333333344444444n);
});

describe('CMPXCHG', () => {
  it('stores the source where the accumulator matches, else loads the accumulator', () => {
    expect(bench.run('0f b1 0b', { rax: 0x22222222, rbx: DATA, rcx: 5 }).flags & Flags.ZF).toBe(Flags.ZF);
    expect(bench.peek(DATA)).toBe(0x1111111100000005n);
    expect(bench.run('0f b1 0b', { rax: 0xffff00000001n, rbx: DATA, rcx: 6 }).flags & Flags.ZF).toBe(0n);
    expect([bench.peek(DATA), bench.get('rax')]).toEqual([0x1111111100000005n, 5n]);
  });

  it.each([
    ['CMPXCHG', '0f b1 0b'],
    ['CMPXCHG8B', '0f c7 0b'],
    ['CMPXCHG16B', '48 0f c7 0b'],
    ['XADD', '0f c1 0b'],
    ['XCHG', '87 0b'],
    ['BTS', '0f ab 0b'],
    ['SHL by 0', 'c1 23 00'],
  ])('%s needs a writable destination even where it would change nothing', (_name, bytes) => {
    const got = bench.run(bytes, { rax: 1, rbx: READ_ONLY, rcx: 0, rdx: 2 });
    expect([got.vector, got.errorCode]).toEqual([PF, WRITE_TO_READ_ONLY]);
    expect([bench.get('rax'), bench.get('rcx'), bench.get('rdx')]).toEqual([1n, 0n, 2n]);
  });
});

describe('CMPXCHG8B and CMPXCHG16B', () => {
  it('CMPXCHG8B compares EDX:EAX, stores ECX:EBX and changes no flag but ZF', () => {
    const registers = { rax: 0x22222222, rdx: 0x11111111, rcx: 0xffff00000007n, rsi: DATA, rbx: 0xffff00000008n };
    expect(bench.run('0f c7 0e', { ...registers, rflags: 0x897 }).flags).toBe(0x8d5n);
    expect(bench.peek(DATA)).toBe(0x0000000700000008n);
    expect(bench.run('0f c7 0e', { ...registers, rax: -1n & 0xffffffffffffffffn, rflags: 0x8d7 }).flags).toBe(0x895n);
    expect([bench.get('rax'), bench.get('rdx')]).toEqual([8n, 7n]);
  });

  it('CMPXCHG16B compares and stores 16 bytes', () => {
    const registers = { rax: 0x1111111122222222n, rdx: 0x3333333344444444n, rcx: 9, rbx: 10, rsi: DATA };
    expect(bench.run('f0 48 0f c7 0e', registers).flags & Flags.ZF).toBe(Flags.ZF);
    expect([bench.peek(DATA), bench.peek(DATA + 8)]).toEqual([10n, 9n]);
    expect(bench.run('f0 48 0f c7 0e', registers).flags & Flags.ZF).toBe(0n);
    expect([bench.get('rax'), bench.get('rdx')]).toEqual([10n, 9n]);
  });

  it('CMPXCHG16B of a misaligned operand is #GP(0)', () => {
    const got = bench.run('48 0f c7 0e', { rsi: DATA + 8 });
    expect([got.vector, got.errorCode]).toEqual([GP, 0]);
  });
});

describe('XADD and XCHG', () => {
  it('XADD of a register with itself doubles it', () => {
    bench.run('48 0f c1 c0', { rax: 0x4000000000000001n });
    expect(bench.get('rax')).toBe(0x8000000000000002n);
  });
  it('XADD leaves the old destination in the source', () => {
    bench.run('f0 48 0f c1 0b', { rbx: DATA, rcx: 1 });
    expect([bench.peek(DATA), bench.get('rcx')]).toEqual([0x1111111122222223n, 0x1111111122222222n]);
  });
  it('XCHG of the halves of one register swaps them', () => {
    bench.run('86 e0', { rax: 0x1234 });
    expect(bench.get('rax')).toBe(0x3412n);
  });
});

describe('LOCK', () => {
  it.each([
    ['ADD to memory', 'f0 48 01 0b', -1],
    ['BTC of memory', 'f0 48 0f bb 0b', -1],
    ['XCHG with memory', 'f0 48 87 0b', -1],
    ['ADD to a register', 'f0 48 01 cb', UD],
    ['ADD from memory', 'f0 48 03 0b', UD],
    ['CMP with memory', 'f0 48 39 0b', UD],
    ['BT of memory', 'f0 48 0f a3 0b', UD],
    ['SHL of memory', 'f0 48 d1 23', UD],
    ['MOV to memory', 'f0 48 89 0b', UD],
  ])('%s: %s gives %i', (_name, bytes, vector) => {
    expect(bench.run(bytes, { rbx: DATA, rcx: 1 }).vector).toBe(vector);
  });
});
