// Port I/O by SDM Vol. 1, "Input/Output".
import { describe, expect, it } from 'vitest';
import { GP, type OneInstruction, oneInstruction } from './one-instruction.ts';

const IN_AL_DX = [0xec];
const TSS = 0x6000;

/** A processor whose ports answer with their number, and what was done to them. */
async function withPorts(setup: Parameters<typeof oneInstruction>[0] = {}) {
  const log: string[] = [];
  const m = await oneInstruction({
    ...setup,
    bus: {
      portIn: (port, width) => {
        log.push(`in ${port.toString(16)}/${width}`);
        return (0x8765_4300 | (port & 0xff)) >>> 0;
      },
      portOut: (port, width, value) => log.push(`out ${port.toString(16)}/${width} ${value.toString(16)}`),
    },
  });
  return { m, log };
}
/** Puts an I/O permission bitmap at the end of the TSS, all ports denied. */
function bitmap(m: OneInstruction, ports: number): Uint8Array {
  const bytes = m.core.memory.bytes(TSS + 0x68, ports / 8 + 1);
  bytes.fill(0xff);
  m.core.setSegment('tr', { selector: 0x28, base: BigInt(TSS), limit: 0x68 + ports / 8, rights: 0x8b });
  return bytes;
}

describe('IN and OUT', () => {
  it('move 1, 2 and 4 bytes, and 4 with REX.W too', async () => {
    const { m, log } = await withPorts();
    const ones = 0xffff_ffff_ffff_ffffn;
    expect(m.step([0xec], { rax: ones, rdx: 0x1240n })).toBe('done');
    expect(m.core.get('rax')).toBe(0xffff_ffff_ffff_ff40n);
    m.step([0x66, 0xed], { rax: ones, rdx: 0x1240n });
    expect(m.core.get('rax')).toBe(0xffff_ffff_ffff_4340n);
    m.step([0xed], { rax: ones, rdx: 0x1240n });
    expect(m.core.get('rax')).toBe(0x8765_4340n);
    m.step([0x48, 0xed], { rax: ones, rdx: 0x1240n });
    expect(m.core.get('rax')).toBe(0x8765_4340n);
    m.step([0xe4, 0x80], { rax: 0n });
    m.step([0xe6, 0x90], { rax: 0x11223344n });
    m.step([0x66, 0xef], { rax: 0x11223344n, rdx: 0x80n });
    m.step([0xef], { rax: 0x11223344n, rdx: 0x1_0080n });
    expect(log.slice(4)).toEqual(['in 80/1', 'out 90/1 44', 'out 80/2 3344', 'out 80/4 11223344']);
  });

  it('need IOPL, or a clear bit for each byte in the bitmap of the TSS', async () => {
    const { m, log } = await withPorts({ cpl: 3 });
    expect(m.step(IN_AL_DX, { rdx: 0x10n })).toEqual(GP);
    const bits = bitmap(m, 64);
    expect(m.step(IN_AL_DX, { rdx: 0x10n })).toEqual(GP);
    bits[2] = 0xfe;
    expect(m.step(IN_AL_DX, { rdx: 0x10n })).toBe('done');
    expect(m.step(IN_AL_DX, { rdx: 0x11n })).toEqual(GP);
    expect(m.step([0x66, 0xed], { rdx: 0x10n })).toEqual(GP);
    bits[1] = 0x7f;
    expect(m.step([0x66, 0xed], { rdx: 0xfn })).toBe('done');
    expect(m.step(IN_AL_DX, { rdx: 0x10n, rflags: 0x3002n })).toBe('done');
    expect(m.step(IN_AL_DX, { rdx: 0x1000n, rflags: 0x3002n })).toBe('done');
    expect(log).toEqual(['in 10/1', 'in f/2', 'in 10/1', 'in 1000/1']);
  });

  it('are denied where the TSS ends before the byte behind the bitmap byte', async () => {
    const { m } = await withPorts({ cpl: 3 });
    bitmap(m, 64).fill(0);
    expect(m.step(IN_AL_DX, { rdx: 0x3fn })).toBe('done');
    expect(m.step(IN_AL_DX, { rdx: 0x40n })).toEqual(GP);
  });

  it('are denied by a 16-bit TSS', async () => {
    const { m } = await withPorts({ cpl: 3, mode: 'protected' });
    bitmap(m, 64).fill(0);
    // SP0 and SS0 of a 16-bit TSS, for the delivery of the fault.
    m.core.memory.bytes(TSS + 2, 4).set([0x00, 0xa0, 0x10, 0x00]);
    m.core.setSegment('tr', { selector: 0x28, base: BigInt(TSS), limit: 0xff, rights: 0x83 });
    expect(m.step(IN_AL_DX, { rdx: 0x10n })).toEqual(GP);
  });

  it('ask nobody in real mode', async () => {
    const { m, log } = await withPorts({ mode: 'real' });
    expect(m.step(IN_AL_DX, { rdx: 0x10n })).toBe('done');
    expect(log).toEqual(['in 10/1']);
  });
});

describe('INS and OUTS', () => {
  it('repeat rCX times and move rDI and rSI by the direction flag', async () => {
    const { m, log } = await withPorts();
    expect(m.step([0xf3, 0x66, 0x6d], { rcx: 3n, rdi: BigInt(m.data), rdx: 0x10n })).toBe('done');
    expect([...m.core.memory.bytes(m.data, 6)]).toEqual([0x10, 0x43, 0x10, 0x43, 0x10, 0x43]);
    expect([m.core.get('rcx'), m.core.get('rdi')]).toEqual([0n, BigInt(m.data + 6)]);
    m.core.memory.bytes(m.data, 2).set([1, 2]);
    expect(m.step([0xf3, 0x6e], { rcx: 2n, rsi: BigInt(m.data + 1), rdx: 0x20n, rflags: 0x402n })).toBe('done');
    expect(log.slice(3)).toEqual(['out 20/1 2', 'out 20/1 1']);
    expect(m.core.get('rsi')).toBe(BigInt(m.data - 1));
  });

  it('with rCX 0 touch neither port nor memory, but need permission all the same', async () => {
    const { m, log } = await withPorts();
    expect(m.step([0xf3, 0x6c], { rcx: 0n, rdi: 0x7000_0000n, rdx: 0x10n })).toBe('done');
    expect(log).toEqual([]);
    const user = await withPorts({ cpl: 3 });
    expect(user.m.step([0xf3, 0x6c], { rcx: 0n, rdi: 0x7000_0000n, rdx: 0x10n })).toEqual(GP);
  });

  it('fault before the port is read, with the iterations done so far counted', async () => {
    const { m, log } = await withPorts();
    const end = 0x40_0000;
    expect(m.step([0xf3, 0x6c], { rcx: 5n, rdi: BigInt(end - 2), rdx: 0x10n })).toEqual({ vector: 14, errorCode: 2 });
    expect(log).toHaveLength(2);
    expect([m.core.get('rcx'), m.core.get('rdi')]).toEqual([3n, BigInt(end)]);
  });

  it('go on where they were interrupted', async () => {
    const { m, log } = await withPorts();
    m.core.memory.bytes(0x1000, 2).set([0xf3, 0x6c]);
    for (const [name, value] of [
      ['rip', 0x1000n],
      ['rcx', 5000n],
      ['rdi', BigInt(m.data)],
      ['rdx', 0x10n],
    ] as const)
      m.core.set(name, value);
    m.core.run(1);
    expect(m.core.get('rip')).toBe(0x1000n);
    const left = Number(m.core.get('rcx'));
    expect(left).toBeGreaterThan(0);
    expect(log).toHaveLength(5000 - left);
    m.core.run(100_000);
    expect(log).toHaveLength(5000);
    expect(m.core.get('rcx')).toBe(0n);
  });

  it('take CX, SI and DI with 16-bit addresses, the upper halves kept', async () => {
    const { m } = await withPorts({ mode: 'protected' });
    expect(m.step([0x67, 0xf3, 0x6c], { rcx: 0xaaaa_0001n, rdi: 0x5555_2000n, rdx: 0x10n })).toBe('done');
    expect([m.core.get('rcx'), m.core.get('rdi')]).toEqual([0xaaaa_0000n, 0x5555_2001n]);
  });
});
