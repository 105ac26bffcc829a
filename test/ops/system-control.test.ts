// Control registers by SDM Vol. 2B, "MOV—Move to/from Control Registers", and Vol. 3A, "Control Registers".
import { describe, expect, it } from 'vitest';
import { GP, oneInstruction, UD } from './one-instruction.ts';

const CR0 = {
  PE: 1n,
  MP: 2n,
  EM: 4n,
  TS: 8n,
  ET: 0x10n,
  NE: 0x20n,
  WP: 0x1_0000n,
  NW: 1n << 29n,
  CD: 1n << 30n,
  PG: 1n << 31n,
};
const CR4 = {
  PSE: 0x10n,
  PAE: 0x20n,
  PGE: 0x80n,
  UMIP: 0x800n,
  LA57: 0x1000n,
  PCIDE: 0x2_0000n,
  SMEP: 0x10_0000n,
  CET: 0x80_0000n,
};
const BASE = CR0.PE | CR0.ET | CR0.NE;
const LONG = BASE | CR0.PG;

describe('MOV to CR0', () => {
  it.each([
    ['paging without protection', CR0.PG | CR0.ET],
    ['NW without CD', LONG | CR0.NW],
    ['a bit above 31', LONG | (1n << 32n)],
    ['paging off in 64-bit mode', BASE],
  ])('refuses %s', async (_name, value) => {
    const m = await oneInstruction();
    expect(m.movToCr(0, value)).toEqual(GP);
    expect(m.core.get('cr0')).toBe(LONG);
  });

  it('ignores reserved bits below 32 and keeps ET set', async () => {
    const m = await oneInstruction();
    expect(m.movToCr(0, (LONG & ~CR0.ET) | (1n << 17n) | CR0.WP | CR0.TS)).toBe('done');
    expect(m.core.get('cr0')).toBe(LONG | CR0.WP | CR0.TS);
  });

  it('refuses paging with EFER.LME and without CR4.PAE', async () => {
    const m = await oneInstruction({ mode: 'protected' });
    expect(m.wrmsr(0xc0000080, 0x100n)).toBe('done');
    expect(m.movToCr(0, BASE | CR0.PG)).toEqual(GP);
    expect(m.movToCr(4, CR4.PAE)).toBe('done');
    m.core.set('cr3', 0x10_000n);
    expect(m.movToCr(0, BASE | CR0.PG)).toBe('done');
    expect(m.core.get('efer')).toBe(0x500n);
  });

  it('refuses to activate long mode with a 16-bit TSS', async () => {
    const m = await oneInstruction({ mode: 'protected' });
    m.wrmsr(0xc0000080, 0x100n);
    m.movToCr(4, CR4.PAE);
    m.core.setSegment('tr', { selector: 0x28, base: 0x6000n, limit: 0x67, rights: 0x83 });
    expect(m.movToCr(0, BASE | CR0.PG)).toEqual(GP);
  });

  it('leaves long mode when paging goes off in compatibility mode', async () => {
    const m = await oneInstruction();
    m.core.setSegment('cs', { selector: 8, base: 0n, limit: 0xffffffff, rights: 0xc09b });
    expect(m.movToCr(0, BASE)).toBe('done');
    expect(m.core.get('efer')).toBe(0x100n);
  });

  it('loads the PDPTE registers when it enables PAE paging, and refuses reserved bits in them', async () => {
    const m = await oneInstruction({ mode: 'protected' });
    const pdpt = new DataView(m.core.memory.bytes(0x2000, 32).buffer, m.core.memory.bytes(0x2000, 32).byteOffset, 32);
    pdpt.setBigUint64(0, 0x12001n, true);
    pdpt.setBigUint64(8, 0x12007n, true);
    m.movToCr(3, 0x2000n);
    m.movToCr(4, CR4.PAE);
    expect(m.movToCr(0, BASE | CR0.PG)).toEqual(GP);
    pdpt.setBigUint64(8, 0n, true);
    expect(m.movToCr(0, BASE | CR0.PG)).toBe('done');
    expect(m.core.state.field('pdpte0')).toBe(0x12001n);
  });
});

describe('MOV to CR3', () => {
  it('refuses bits at and above MAXPHYADDR', async () => {
    const m = await oneInstruction({ cpu: 'max,phys-bits=40' });
    expect(m.movToCr(3, 0x10_000n | (1n << 40n))).toEqual(GP);
    expect(m.movToCr(3, 0x10_000n | (1n << 39n))).not.toEqual(GP);
  });

  it('takes bit 63 with CR4.PCIDE only, and does not keep it', async () => {
    const m = await oneInstruction();
    expect(m.movToCr(3, 0x10_000n | (1n << 63n))).toEqual(GP);
    expect(m.movToCr(4, CR4.PAE | CR4.PCIDE)).toBe('done');
    expect(m.movToCr(3, 0x10_005n | (1n << 63n))).toBe('done');
    expect(m.core.get('cr3')).toBe(0x10_005n);
  });

  it('with bit 63 keeps the translations of the PCID, without it forgets them', async () => {
    const m = await oneInstruction();
    m.movToCr(4, CR4.PAE | CR4.PCIDE);
    m.movToCr(3, 0x10_001n);
    const load = [0x48, 0x8b, 0x03];
    const table = m.core.memory.bytes(0x12_000, 16);
    const entry = new DataView(table.buffer, table.byteOffset, 16);
    m.core.memory.bytes(0x20_0000, 1)[0] = 0x11;
    m.core.memory.bytes(0x20_0000 - 0x1000, 1)[0] = 0;
    expect(m.step(load, { rbx: 0x20_0000n })).toBe('done');
    entry.setBigUint64(8, 0n, true);
    expect(m.movToCr(3, 0x10_001n | (1n << 63n))).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toBe('done');
    expect(m.movToCr(3, 0x10_001n)).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toEqual({ vector: 14, errorCode: 0 });
    expect(m.core.get('cr2')).toBe(0x20_0000n);
  });
});

describe('MOV to CR4', () => {
  it.each([
    ['a bit of an absent feature', CR4.PAE | CR4.CET],
    ['a bit above 31', CR4.PAE | (1n << 32n)],
    ['clearing PAE in long mode', 0n],
    ['changing LA57 in long mode', CR4.PAE | CR4.LA57],
  ])('refuses %s', async (_name, value) => {
    const m = await oneInstruction();
    expect(m.movToCr(4, value)).toEqual(GP);
    expect(m.core.get('cr4')).toBe(CR4.PAE);
  });

  it.each([
    ['smep', CR4.SMEP],
    ['umip', CR4.UMIP],
    ['pcid', CR4.PCIDE],
    ['pge', CR4.PGE],
  ])('refuses the bit of %s where the model has it not', async (feature, bit) => {
    const without = await oneInstruction({ cpu: `max,-${feature}` });
    expect(without.movToCr(4, CR4.PAE | bit)).toEqual(GP);
    const having = await oneInstruction();
    expect(having.movToCr(4, CR4.PAE | bit)).toBe('done');
  });

  it('refuses PCIDE outside long mode and with a PCID already in CR3', async () => {
    const outside = await oneInstruction({ mode: 'protected' });
    expect(outside.movToCr(4, CR4.PCIDE)).toEqual(GP);
    const inside = await oneInstruction();
    inside.movToCr(3, 0x10_001n);
    expect(inside.movToCr(4, CR4.PAE | CR4.PCIDE)).toEqual(GP);
  });

  it('takes LA57 outside long mode', async () => {
    const m = await oneInstruction({ mode: 'protected' });
    expect(m.movToCr(4, CR4.LA57)).toBe('done');
  });
});

describe('control registers', () => {
  it('are #GP(0) outside CPL 0', async () => {
    const m = await oneInstruction({ cpl: 3 });
    expect(m.step([0x0f, 0x20, 0xc0])).toEqual(GP);
    expect(m.step([0x0f, 0x22, 0xd8])).toEqual(GP);
  });

  it('1, 5, 6 and 7 do not exist', async () => {
    const m = await oneInstruction();
    for (const n of [1, 5, 6, 7]) expect(m.movToCr(n, 0n)).toEqual(UD);
  });

  it('CR8 holds four bits, which are the task priority of the local APIC', async () => {
    const m = await oneInstruction();
    expect(m.movToCr(8, 16n)).toEqual(GP);
    expect(m.movToCr(8, 9n)).toBe('done');
    expect(m.core.get('cr8')).toBe(9n);
    expect(m.step([0x44, 0x0f, 0x20, 0xc0])).toBe('done');
    expect(m.core.get('rax')).toBe(9n);
  });

  it('LMSW sets PE but does not clear it', async () => {
    const m = await oneInstruction({ mode: 'protected' });
    expect(m.step([0x0f, 0x01, 0xf0], { rax: 0xfffen })).toBe('done');
    expect(m.core.get('cr0')).toBe(BASE | CR0.MP | CR0.EM | CR0.TS);
  });

  it('CLTS clears TS alone', async () => {
    const m = await oneInstruction();
    m.movToCr(0, LONG | CR0.TS | CR0.MP);
    expect(m.step([0x0f, 0x06])).toBe('done');
    expect(m.core.get('cr0')).toBe(LONG | CR0.MP);
  });

  it('SMSW stores 16 bits in memory and the operand size in a register', async () => {
    const m = await oneInstruction();
    expect(m.step([0x0f, 0x01, 0xe0], { rax: ~0n & 0xffffffffffffffffn })).toBe('done');
    expect(m.core.get('rax')).toBe(LONG);
    m.core.memory.bytes(m.data, 8).fill(0xaa);
    expect(m.step([0x0f, 0x01, 0x23], { rbx: BigInt(m.data) })).toBe('done');
    expect([...m.core.memory.bytes(m.data, 4)]).toEqual([0x31, 0x00, 0xaa, 0xaa]);
  });
});

describe('UMIP', () => {
  it.each([
    ['SGDT', [0x0f, 0x01, 0x03]],
    ['SIDT', [0x0f, 0x01, 0x0b]],
    ['SMSW', [0x0f, 0x01, 0xe0]],
    ['SLDT', [0x0f, 0x00, 0xc0]],
    ['STR', [0x0f, 0x00, 0xc8]],
  ])('makes %s #GP(0) at CPL 3 and not at CPL 0', async (_name, code) => {
    const user = await oneInstruction({ cpl: 3 });
    expect(user.step(code, { rbx: BigInt(user.data) })).toBe('done');
    user.core.set('cr4', CR4.PAE | CR4.UMIP);
    expect(user.step(code, { rbx: BigInt(user.data) })).toEqual(GP);
    const system = await oneInstruction();
    system.core.set('cr4', CR4.PAE | CR4.UMIP);
    expect(system.step(code, { rbx: BigInt(system.data) })).toBe('done');
  });
});

describe('debug registers', () => {
  const read = (n: number) => [0x0f, 0x21, 0xc0 | (n << 3)];
  const write = (n: number) => [0x0f, 0x23, 0xc0 | (n << 3)];

  it('4 and 5 are 6 and 7 unless CR4.DE is set', async () => {
    const m = await oneInstruction();
    expect(m.step(write(5), { rax: 0n })).toBe('done');
    expect(m.core.get('dr7')).toBe(0x400n);
    expect(m.step(read(4))).toBe('done');
    expect(m.core.get('rax')).toBe(0xffff0ff0n);
    m.core.set('cr4', CR4.PAE | 8n);
    expect(m.step(read(4))).toEqual(UD);
    expect(m.step(write(5), { rax: 0n })).toEqual(UD);
  });

  it('keep their reserved bits, and refuses bits above 31 of DR6 and DR7', async () => {
    const m = await oneInstruction();
    expect(m.step(write(6), { rax: 0xffffffffn })).toBe('done');
    expect(m.core.get('dr6')).toBe(0xffffefffn);
    expect(m.step(write(6), { rax: 0n })).toBe('done');
    expect(m.core.get('dr6')).toBe(0xffff0ff0n);
    expect(m.step(write(6), { rax: 1n << 32n })).toEqual(GP);
    expect(m.step(write(7), { rax: 1n << 40n })).toEqual(GP);
    expect(m.step(write(7), { rax: 0xc000n })).toBe('done');
    expect(m.core.get('dr7')).toBe(0x400n);
  });

  it('raise #DB on access while DR7.GD is set', async () => {
    const m = await oneInstruction();
    m.core.set('dr7', 0x2400n);
    expect(m.step(read(0))).toEqual({ vector: 1 });
  });

  it('are #GP(0) outside CPL 0', async () => {
    const m = await oneInstruction({ cpl: 3 });
    expect(m.step(read(7))).toEqual(GP);
  });
});

describe('descriptor-table registers', () => {
  it('LGDT takes 24 bits of base with a 16-bit operand, 32 otherwise', async () => {
    const m = await oneInstruction({ mode: 'protected' });
    m.core.memory.bytes(m.data, 6).set([0x34, 0x12, 0x00, 0x50, 0x00, 0xab]);
    expect(m.step([0x66, 0x0f, 0x01, 0x13], { rbx: BigInt(m.data) })).toBe('done');
    expect(m.core.get('gdtr.base')).toBe(0x5000n);
    expect(m.core.get('gdtr.limit')).toBe(0x1234n);
    expect(m.step([0x0f, 0x01, 0x13], { rbx: BigInt(m.data) })).toBe('done');
    expect(m.core.get('gdtr.base')).toBe(0xab005000n);
  });

  it('LIDT refuses a non-canonical base', async () => {
    const m = await oneInstruction();
    m.core.memory.bytes(m.data, 10).set([0xff, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    expect(m.step([0x0f, 0x01, 0x1b], { rbx: BigInt(m.data) })).toEqual(GP);
  });

  it('SIDT stores limit and 64-bit base in 64-bit mode', async () => {
    const m = await oneInstruction();
    expect(m.step([0x0f, 0x01, 0x0b], { rbx: BigInt(m.data) })).toBe('done');
    expect([...m.core.memory.bytes(m.data, 10)]).toEqual([0xff, 0x0f, 0, 0x40, 0, 0, 0, 0, 0, 0]);
  });
});
