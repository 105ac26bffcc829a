/** What the manuals say about encodings (SDM Vol. 2A, "Instruction Format"), one sentence per rule. */
import { describe, expect, it } from 'vitest';
import { type DecodeOptions, decode } from '../../src/isa/decode.ts';
import { disassemble } from '../../src/isa/disasm.ts';

const bytes = (hex: string) => Uint8Array.from(hex.split(' ').map((byte) => Number.parseInt(byte, 16)));
const text = (mode: 16 | 32 | 64, hex: string, options: Partial<DecodeOptions> = {}) => {
  const found = disassemble(bytes(hex), { mode, ...options });
  return 'invalid' in found ? found.invalid : found.text;
};
const length = (mode: 16 | 32 | 64, hex: string) => {
  const found = decode(bytes(hex), { mode });
  return 'invalid' in found ? found.invalid : found.length;
};

describe('prefixes', () => {
  it.each([
    ['REX counts only right before the opcode', '48 66 89 d8', 'mov ax, bx'],
    ['REX.W beats 66', '66 48 89 d8', 'mov rax, rbx'],
    ['of two REX prefixes the last one counts', '48 41 89 d8', 'mov r8d, ebx'],
    ['any REX turns AH into SPL', '40 88 e0', 'mov al, spl'],
    ['without REX the same register is AH', '88 e0', 'mov al, ah'],
    ['ES, CS, SS and DS are ignored in 64-bit mode', '2e 8b 03', 'mov eax, dword ptr [rbx]'],
    ['FS survives a DS prefix after it', '64 3e 8b 03', 'mov eax, dword ptr fs:[rbx]'],
    ['the last of F2 and F3 selects the instruction', 'f2 f3 0f 10 c1', 'movss xmm0, xmm1'],
    ['F2 selects before 66 does', '66 f2 0f 10 c1', 'movsd xmm0, xmm1'],
    ['REP repeats a string instruction', 'f3 48 ab', 'rep stosq'],
    ['F3 is REPE before a comparison', 'f3 a6', 'repe cmpsb'],
    ['F3 before anything else is ignored', 'f3 01 d8', 'add eax, ebx'],
  ])('in 64-bit mode: %s', (_name, hex, expected) => {
    expect(text(64, hex)).toBe(expected);
  });

  it.each([
    ['a memory destination', 'f0 01 03', 'lock add dword ptr [rbx], eax'],
    ['a register destination', 'f0 01 d8', 'undefined opcode'],
    ['a memory source', 'f0 03 03', 'undefined opcode'],
    ['an instruction that is not a read-modify-write', 'f0 89 03', 'undefined opcode'],
    ['CMP, which writes nothing', 'f0 39 03', 'undefined opcode'],
    ['BT, which writes nothing', 'f0 0f ba 23 01', 'undefined opcode'],
    ['BTS', 'f0 0f ba 2b 01', 'lock bts dword ptr [rbx], 0x1'],
    ['CMPXCHG16B', 'f0 48 0f c7 0b', 'lock cmpxchg16b xmmword ptr [rbx]'],
    ['NOP', 'f0 90', 'undefined opcode'],
  ])('LOCK before %s', (_name, hex, expected) => {
    expect(text(64, hex)).toBe(expected);
  });
});

describe('length', () => {
  it('may be 15 bytes and not more', () => {
    expect(length(64, `${'66 '.repeat(14)}90`)).toBe(15);
    expect(length(64, `${'66 '.repeat(15)}90`)).toBe('too long');
    expect(length(64, `${'2e '.repeat(5)}48 81 84 88 00 00 00 00 00 00 00 00`)).toBe('too long');
  });

  it('is unknown while bytes are missing', () => {
    expect(length(64, '48 8b')).toBe('truncated');
    expect(length(32, '81 c0 00 00 00')).toBe('truncated');
    expect(length(64, '66')).toBe('truncated');
  });

  it.each([
    [16, 'b8 34 12', 3],
    [16, '66 b8 34 12 00 00', 6],
    [32, 'b8 34 12 00 00', 5],
    [64, '48 b8 01 02 03 04 05 06 07 08', 10],
    [64, 'a1 01 02 03 04 05 06 07 08', 9],
    [64, '67 a1 01 02 03 04', 6],
    [16, '8b 06 34 12', 4],
    [32, '8b 05 34 12 00 00', 6],
    [64, '8b 04 25 34 12 00 00', 7],
    [16, '67 8b 44 24 04', 5],
    [32, 'c8 10 00 01', 4],
    [32, '9a 00 00 00 00 08 00', 7],
    [16, '9a 00 00 08 00', 5],
  ] as const)('in %i-bit mode of %s is %i', (mode, hex, expected) => {
    expect(length(mode, hex)).toBe(expected);
  });
});

describe('modes', () => {
  it.each([
    ['06', 'push es', 'undefined opcode'],
    ['27', 'daa', 'undefined opcode'],
    ['60', 'pushad', 'undefined opcode'],
    ['63 c8', 'arpl ax, cx', 'movsxd ecx, eax'],
    ['40 90', 'inc eax', 'nop'],
    ['c4 03', 'les eax, fword ptr [ebx]', 'truncated'],
    ['62 03', 'bound eax, qword ptr [ebx]', 'undefined opcode'],
    ['82 c0 01', 'add al, 0x1', 'undefined opcode'],
    ['d6', 'salc', 'undefined opcode'],
    ['ea 00 00 00 00 08 00', 'jmp 0x8:0x0', 'undefined opcode'],
    ['0f 01 f8', 'undefined opcode', 'swapgs'],
    ['f3 0f ae c0', 'undefined opcode', 'rdfsbase eax'],
    ['50', 'push eax', 'push rax'],
    ['66 50', 'push ax', 'push ax'],
    ['66 e9 00 00 00 00', 'jmp 0x4', 'jmp 0x6'],
    ['0f 20 04', 'mov esp, cr0', 'mov rsp, cr0'],
  ])('make of %s in 32-bit and 64-bit mode: %s, %s', (hex, in32, in64) => {
    expect(text(32, hex)).toBe(in32);
    expect(text(64, hex)).toBe(in64);
  });

  it('take C4 and C5 with a register form for VEX outside 64-bit mode', () => {
    expect(text(32, 'c4 e2 78 f2 c3')).toBe('andn eax, eax, ebx');
    expect(text(32, 'c5 f8 77')).toBe('vzeroupper');
  });
});

describe('operands that do not exist', () => {
  it.each([
    ['MOV to CS', '8e c8'],
    ['segment register 6', '8c f0'],
    ['CR1', '0f 20 c8'],
    ['CR5', '0f 22 e8'],
    ['DR8', '44 0f 23 c0'],
    ['a register operand of LEA', '8d c0'],
    ['a VEX register where the instruction has none', 'c5 f0 77'],
    ['VEX.L = 1 on ANDN', 'c4 e2 7c f2 c3'],
    ['a gather whose mask is its destination', 'c4 e2 79 90 04 08'],
  ])('%s: #UD', (_name, hex) => {
    expect(text(64, hex)).toBe('undefined opcode');
  });

  it('VEX after 66, F2, F3, LOCK or REX is #UD', () => {
    for (const prefix of ['66', 'f2', 'f3', 'f0', '48'])
      expect(text(64, `${prefix} c5 f8 77`)).toBe('undefined opcode');
    expect(text(64, '65 c5 f8 77')).toBe('vzeroupper');
  });
});

describe('instructions that hide behind prefixes of others', () => {
  const without = (off: string) => ({ offers: (feature: string) => feature !== off });

  it.each([
    ['TZCNT is BSF', 'bmi1', 'f3 0f bc c1', 'tzcnt eax, ecx', 'bsf eax, ecx'],
    ['LZCNT is BSR', 'abm', 'f3 0f bd c1', 'lzcnt eax, ecx', 'bsr eax, ecx'],
    ['WBNOINVD is WBINVD', 'wbnoinvd', 'f3 0f 09', 'wbnoinvd', 'wbinvd'],
  ])('%s on a processor without %s', (_name, feature, hex, withIt, withoutIt) => {
    expect(text(64, hex)).toBe(withIt);
    expect(text(64, hex, without(feature))).toBe(withoutIt);
  });

  it.each([
    ['90', 'nop'],
    ['f3 90', 'pause'],
    ['41 90', 'xchg r8d, eax'],
    ['f3 41 90', 'pause'],
    ['49 90', 'xchg r8, rax'],
    ['0f 1e c0', 'nop eax, eax'],
    ['f3 0f 1e fa', 'endbr64'],
    ['f3 0f 1e fb', 'endbr32'],
    ['0f c7 0b', 'cmpxchg8b qword ptr [rbx]'],
    ['0f c7 33', 'vmptrld qword ptr [rbx]'],
    ['66 0f c7 33', 'vmclear qword ptr [rbx]'],
    ['f3 0f c7 33', 'vmxon qword ptr [rbx]'],
    ['0f c7 f3', 'rdrand ebx'],
    ['f3 0f c7 fb', 'rdpid rbx'],
    ['0f 78 d8', 'vmread rax, rbx'],
    ['0f 01 c2', 'vmlaunch'],
  ])('%s is %s', (hex, expected) => {
    expect(text(64, hex)).toBe(expected);
  });
});

describe('the text', () => {
  it.each([
    [64, '48 8b 44 8b 10', 'mov rax, qword ptr [rbx+rcx*4+0x10]'],
    [64, '8b 45 f8', 'mov eax, dword ptr [rbp-0x8]'],
    [64, '8b 05 00 00 00 00', 'mov eax, dword ptr [0x1006]'],
    [64, '83 c0 ff', 'add eax, 0xffffffff'],
    [64, '48 05 00 00 00 80', 'add rax, 0xffffffff80000000'],
    [64, '75 fe', 'jne 0x1000'],
    [32, 'e8 00 00 00 00', 'call 0x1005'],
    [16, '8b 42 fe', 'mov ax, word ptr [bp+si-0x2]'],
    [16, '26 88 07', 'mov byte ptr es:[bx], al'],
    [32, 'd9 c1', 'fld st(1)'],
    [64, 'c4 e2 f5 98 c2', 'vfmadd132pd ymm0, ymm1, ymm2'],
    [64, '0f 6f 00', 'movq mm0, qword ptr [rax]'],
    [64, 'c4 e2 75 90 04 10', 'vpgatherdd ymm0, dword ptr [rax+ymm2], ymm1'],
  ] as const)('in %i-bit mode of %s at 0x1000 is: %s', (mode, hex, expected) => {
    expect(text(mode, hex, { ip: 0x1000n })).toBe(expected);
  });
});
