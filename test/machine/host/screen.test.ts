// The screen of a machine, as guests fill it.
import { expect, it } from 'vitest';
import { ExtraMemory } from '../../../src/machine/board/extra-memory.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { le8, le16, machineCode } from '../../machine-code.ts';

const dispi = (index: number, value: number): string => `
  66 ba ce 01        mov dx, 0x1ce
  66 b8 ${le16(index)}  mov ax, ${index}
  66 ef              out dx, ax
  42                 inc edx
  66 b8 ${le16(value)}  mov ax, ${value}
  66 ef              out dx, ax
`;
const HI = `
  c6 05 00 80 0b 00 48  mov byte [0xb8000], 'H'
  c6 05 02 80 0b 00 69  mov byte [0xb8002], 'i'
`;
/** Where BAR 0 of slot 2 lies. */
const BAR0 = `
  ba f8 0c 00 00  mov edx, 0xcf8
  b8 10 10 00 80  mov eax, 0x80001010
  ef              out dx, eax
  b2 fc           mov dl, 0xfc
  ed              in eax, dx
  83 e0 f0        and eax, 0xfffffff0
`;
const PIXEL = 'c7 40 04 40 80 ff 00  mov dword [eax+4], 0xff8040';
const HLT = `
  f4  hlt
`;

async function run(code: string, options: Partial<Parameters<typeof Machine.create>[0]> = {}) {
  const kernel = machineCode(32, 0x1000, code);
  const machine = await Machine.create({ kernel, flat: { address: 0x1000, mode: 32 }, memory: '2M', ...options });
  await machine.run({ instructions: 1000 });
  return machine;
}

it('shows what a guest writes to the text window', async () => {
  const { screen } = await run(HI + HLT);
  expect(screen.text()).toEqual(['Hi', ...new Array(24).fill('')]);
  expect(screen.frame()).toMatchObject({ width: 640, height: 400, changed: true });
  expect(screen.frame().changed).toBe(false);
});

it('shows the framebuffer that BAR 0 gives, at the speed of RAM: no access leaves the processor', async () => {
  const mode = dispi(1, 320) + dispi(2, 200) + dispi(3, 32) + dispi(4, 0x41);
  const { screen, report } = await run(mode + BAR0 + PIXEL + HLT);
  const { width, height, pixels } = screen.frame();
  expect([width, height, ...pixels.subarray(0, 8)]).toEqual([320, 200, 0, 0, 0, 255, 255, 128, 64, 255]);
  expect([screen.text(), screen.cells()]).toEqual([[], null]);
  expect(report.mmio).toEqual({ reads: 0, writes: 0 });
});

it('is blank again after a reset', async () => {
  const write = `
    ${HI}
    b0 fe  mov al, 0xfe
    e6 64  out 0x64, al
  `;
  const skip = machineCode(32, 0, write).length;
  const { screen } = await run(
    `
    0f ba 2d 00 20 00 00 00        bts dword [0x2000], 0
    72 ${le8(skip)}                jb done
    ${write}
                             done: ${HLT}
    `,
    { reboot: true },
  );
  expect(screen.text().join('')).toBe('');
});

it('is missing if the machine was made without a VGA, and its window is RAM then', async () => {
  const machine = await run(HI + HLT, { vga: 'none' });
  expect(() => machine.screen.text()).toThrow('the machine has no screen');
  expect(machine.report.mmio.writes).toBe(0);
  await expect(run(HLT, { vga: 'qxl' as 'std' })).rejects.toThrow("vga 'qxl' is unknown");
  await expect(run(HLT, { devices: [{ type: 'VGA', vgamem_mb: 3 }] })).rejects.toThrow('vgamem_mb=3');
});

it('regions beside RAM keep their place over resets and begin on pages', () => {
  const calls: unknown[][] = [];
  const memoryMap = { extra: new Uint8Array(0x3000), mapExtra: (...call: unknown[]) => calls.push(call) };
  const memory = new ExtraMemory();
  memory.region('a', 1);
  const second = memory.region('b', 0x2000);
  second.place(0xfffe_0000, 'rom');
  expect([memory.size, second.bytes().length]).toEqual([0x3000, 0]);
  memory.connect([{ memoryMap } as never]);
  expect(calls).toEqual([
    [0, 0, 0, 0, 'ram'],
    [1, 0xfffe_0000, 0x1000, 0x2000, 'rom'],
  ]);
  memory.region('b', 0x2000).bytes()[0] = 7;
  expect([memory.size, memoryMap.extra[0x1000], calls.at(-1)]).toEqual([0x3000, 7, [1, 0, 0x1000, 0, 'ram']]);
});
