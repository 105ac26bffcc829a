/** A listing is what its bytes are, or it is refused. */
import { describe, expect, it } from 'vitest';
import { machineCode } from './machine-code.ts';

describe('a listing', () => {
  it('is its bytes, with labels, data, comments and numbers of any notation', () => {
    const listing = `
      b0 48           again: mov al, 'H'
      e6 f4                  out 244, al  ; it leaves by this port
      fe 06 20 7c            inc byte [0x7c20]
      eb f6                  jmp again
      eb fe                  jmp $
                      last:
      03 ff                  db 3, 0xff
    `;
    const bytes = [0xb0, 0x48, 0xe6, 0xf4, 0xfe, 6, 0x20, 0x7c, 0xeb, 0xf6, 0xeb, 0xfe, 3, 0xff];
    expect([...machineCode(16, 0x7c00, listing)]).toEqual(bytes);
  });

  it.each([
    [
      'names another instruction',
      'b0 48  mov ah, 0x48',
      "0x7c00: 'mov ah, 0x48' is written, and the bytes say 'mov al,72'",
    ],
    ['names another number', 'b0 48  mov al, 0x49', "the bytes say 'mov al,72'"],
    ['jumps elsewhere', 'eb fe  jmp 0x7c02', "the bytes say 'jmp 31744'"],
    ['has bytes of two instructions', '90 90  nop', "the bytes say 'nop; nop'"],
    ['has half an instruction', 'b0  mov al, 1', '(bad)'],
    ['has other data', '01 02  db 1, 3', "the bytes say 'db 1,2'"],
    ['says nothing', 'f4', "'' is written, and the bytes say 'hlt'"],
    ['is none', 'zz  nop', 'has no bytes'],
  ])('with a line that %s is refused', (_what, listing, message) => {
    expect(() => machineCode(16, 0x7c00, listing)).toThrow(message);
  });

  it('is read in its mode', () => {
    expect(machineCode(64, 0, '48 89 c8  mov rax, rcx').length).toBe(3);
    expect(() => machineCode(32, 0, '48 89 c8  mov rax, rcx')).toThrow("the bytes say 'dec eax; mov eax,ecx'");
  });
});
