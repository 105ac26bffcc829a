// The screen of a machine, as guests fill it.
import { expect, it } from 'vitest';
import { ExtraMemory } from '../../../src/machine/board/extra-memory.ts';
import { Machine } from '../../../src/machine/machine.ts';

const word = (value: number): number[] => [value & 0xff, value >> 8];
/** mov dx, 0x1ce; mov ax, index; out dx, ax; inc edx; mov ax, value; out dx, ax */
const dispi = (index: number, value: number): number[] =>
  [0x66, 0xba, 0xce, 0x01, 0x66, 0xb8, ...word(index), 0x66, 0xef, 0x42, 0x66, 0xb8, ...word(value), 0x66, 0xef]; // biome-ignore format: a line
/** mov byte [0xb8000], 'H'; mov byte [0xb8002], 'i' */
const HI = [0xc6, 0x05, 0x00, 0x80, 0x0b, 0x00, 0x48, 0xc6, 0x05, 0x02, 0x80, 0x0b, 0x00, 0x69];
/** mov edx, 0xcf8; mov eax, 0x80001010; out dx, eax; mov dl, 0xfc; in eax, dx; and eax, -16: where BAR 0 of slot 2 lies */
const BAR0 = [0xba, 0xf8, 0x0c, 0, 0, 0xb8, 0x10, 0x10, 0x00, 0x80, 0xef, 0xb2, 0xfc, 0xed, 0x83, 0xe0, 0xf0];
/** mov dword [eax + 4], 0x00ff8040 */
const PIXEL = [0xc7, 0x40, 0x04, 0x40, 0x80, 0xff, 0x00];
const HLT = 0xf4;

async function run(code: readonly number[], options: Partial<Parameters<typeof Machine.create>[0]> = {}) {
  const kernel = Uint8Array.from(code);
  const machine = await Machine.create({ kernel, flat: { address: 0x1000, mode: 32 }, memory: '2M', ...options });
  await machine.run({ instructions: 1000 });
  return machine;
}

it('shows what a guest writes to the text window', async () => {
  const { screen } = await run([...HI, HLT]);
  expect(screen.text()).toEqual(['Hi', ...new Array(24).fill('')]);
  expect(screen.frame()).toMatchObject({ width: 640, height: 400, changed: true });
  expect(screen.frame().changed).toBe(false);
});

it('shows the framebuffer that BAR 0 gives, at the speed of RAM: no access leaves the processor', async () => {
  const mode = [...dispi(1, 320), ...dispi(2, 200), ...dispi(3, 32), ...dispi(4, 0x41)];
  const { screen, report } = await run([...mode, ...BAR0, ...PIXEL, HLT]);
  const { width, height, pixels } = screen.frame();
  expect([width, height, ...pixels.subarray(0, 8)]).toEqual([320, 200, 0, 0, 0, 255, 255, 128, 64, 255]);
  expect([screen.text(), screen.cells()]).toEqual([[], null]);
  expect(report.mmio).toEqual({ reads: 0, writes: 0 });
});

it('is blank again after a reset', async () => {
  const pulse = [0xb0, 0xfe, 0xe6, 0x64];
  const { screen } = await run(
    [0x0f, 0xba, 0x2d, 0, 0x20, 0, 0, 0, 0x72, HI.length + pulse.length, ...HI, ...pulse, HLT],
    {
      reboot: true,
    },
  );
  expect(screen.text().join('')).toBe('');
});

it('is missing where the machine was made without a VGA, and its window is RAM then', async () => {
  const machine = await run([...HI, HLT], { vga: 'none' });
  expect(() => machine.screen.text()).toThrow('the machine has no screen');
  expect(machine.report.mmio.writes).toBe(0);
  await expect(run([HLT], { vga: 'qxl' as 'std' })).rejects.toThrow("vga 'qxl' is unknown");
  await expect(run([HLT], { devices: [{ type: 'VGA', vgamem_mb: 3 }] })).rejects.toThrow('vgamem_mb=3');
});

it('regions beside RAM keep their place over resets and begin on pages', () => {
  const calls: unknown[][] = [];
  const core = { extra: new Uint8Array(0x3000), mapExtra: (...call: unknown[]) => calls.push(call) };
  const memory = new ExtraMemory();
  memory.region('a', 1);
  const second = memory.region('b', 0x2000);
  second.place(0xfffe_0000, 'rom');
  expect([memory.size, second.bytes().length]).toEqual([0x3000, 0]);
  memory.connect([core as never]);
  expect(calls).toEqual([
    [0, 0, 0, 0, 'ram'],
    [1, 0xfffe_0000, 0x1000, 0x2000, 'rom'],
  ]);
  memory.region('b', 0x2000).bytes()[0] = 7;
  expect([memory.size, core.extra[0x1000], calls.at(-1)]).toEqual([0x3000, 7, [1, 0, 0x1000, 0, 'ram']]);
});
