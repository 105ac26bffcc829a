// A guest of the MS-DOS days: x87 exceptions come as IRQ 13 (SDM Vol. 1, "MS-DOS Compatibility Sub-mode").
import { expect, it } from 'vitest';
import { Machine } from '../../../src/index.ts';

/** Counts in BX: 1 for an instruction between error and WAIT, 16 for each IRQ 13; the program ends with both in AX. */
const PROGRAM = `
  fa                  cli
  31 c0 8e d8 8e d0   xor ax, ax; mov ds, ax; mov ss, ax
  bc 00 70            mov sp, 0x7000
  c7 06 d4 01 37 7c   mov word [4 * 0x75], handler
  a3 d6 01            mov [4 * 0x75 + 2], ax
  db e3               fninit
  d9 2e 49 7c         fldcw [word_037b]: division by zero is not masked
  fb                  sti
  d9 e8 d9 ee de f9   fld1; fldz; fdivp
  43                  inc bx
  9b                  wait: freezes, and IRQ 13 comes
  89 da               mov dx, bx
  d9 e8 d9 ee de f9   fld1; fldz; fdivp
  d9 e8               fld1: freezes, and IRQ 13 comes again
  b0 f4               mov al, 0xf4
  c1 e2 08 09 da      shl dx, 8; or dx, bx
  89 d0 e7 f4         mov ax, dx; out 0xf4, ax
  83 c3 10            handler: add bx, 16
  e6 f0               out 0xf0, al
  d9 e8 dd d8         fld1; fstp st(0): IGNNE# lets them run
  db e2               fnclex
  b0 20 e6 a0 e6 20   mov al, 0x20; out 0xa0, al; out 0x20, al
  cf                  iret
  7b 03               word_037b
`;

it('a guest with CR0.NE = 0 takes IRQ 13 before the next waiting instruction after each unmasked x87 exception', async () => {
  const bytes = PROGRAM.match(/^ {2}(?:[0-9a-f]{2} )+/gm)?.flatMap((line) => line.trim().split(' ')) ?? [];
  const machine = await Machine.create({
    kernel: Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)),
    flat: { address: 0x7c00, mode: 16 },
    memory: '1M',
    devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
  });
  expect(await machine.run({ instructions: 1e6 })).toEqual({ reason: 'debug-exit', code: 0x1121 });
});
