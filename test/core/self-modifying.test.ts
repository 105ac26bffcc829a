// Stores into decoded code take effect at once: on the same page, on the next instruction, in a loop.
import { describe, expect, it } from 'vitest';
import { flat32 } from './guest.ts';

describe('self-modifying code', () => {
  it('runs the immediate that the instruction before it wrote', async () => {
    const core = await flat32([
      ...[0xc7, 0x05, 0x0b, 0x10, 0, 0, 0x78, 0x56, 0x34, 0x12], // mov dword [0x100b], 0x12345678
      ...[0xb8, 0, 0, 0, 0], // mov eax, 0
      ...[0xeb, 0xfe], // jmp $
    ]);
    core.run(3);
    expect(core.get('rax')).toBe(0x12345678n);
  });

  it('sums the numbers that a loop patches into itself', async () => {
    const core = await flat32([
      ...[0x89, 0x0d, 0x07, 0x10, 0, 0], // 1000: mov [0x1007], ecx
      ...[0xb8, 0, 0, 0, 0], // 1006: mov eax, imm32
      ...[0x01, 0xc3], // add ebx, eax
      ...[0x49], // dec ecx
      ...[0x75, 0xf0], // jnz 1000
      ...[0xeb, 0xfe], // jmp $
    ]);
    core.set('rcx', 1000n);
    core.set('rbx', 0n);
    core.run(5 * 1000 + 1);
    expect(core.get('rbx')).toBe(500500n);
  });

  it('runs an instruction of another length in the place of one that ran before', async () => {
    const core = await flat32([
      ...[0xbb, 0x00, 0x11, 0, 0], // 1000: mov ebx, 0x1100
      ...[0xff, 0xd3], // call ebx: inc eax; inc eax; ret
      ...[0xc7, 0x03, 0x83, 0xc0, 0x0a, 0xc3], // mov dword [ebx], bytes of: add eax, 10; ret
      ...[0xff, 0xd3], // call ebx
      ...[0xeb, 0xfe],
    ]);
    core.memory.bytes(0x1100, 3).set([0x40, 0x40, 0xc3]);
    core.set('rax', 0n);
    core.run(9);
    expect(core.get('rax')).toBe(12n);
    expect(core.get('rip')).toBe(0x100fn);
  });

  it('leaves a block whose later instructions the running one turns into others', async () => {
    const core = await flat32([
      ...[0x66, 0xc7, 0x05, 0x0a, 0x10, 0, 0, 0xeb, 0xfe], // mov word [0x100a], bytes of: jmp $
      ...[0x90], // 1009: nop
      ...[0x40, 0x40], // inc eax; inc eax, which never run
      ...[0xeb, 0xfe],
    ]);
    core.set('rax', 0n);
    core.run(10);
    expect(core.get('rax')).toBe(0n);
    expect(core.get('rip')).toBe(0x100an);
    expect(core.retired).toBe(10);
  });
});
