// Memory below 1 MiB by the host bridge's PAM registers: ROM or RAM is read, and writes reach the RAM or nothing.
import { describe, expect, it } from 'vitest';
import type { Core } from '../../../src/core/types.ts';
import { HostBridge, type ShadowArea } from '../../../src/devices/pci/host-bridge.ts';
import { ShadowMemory } from '../../../src/machine/board/shadow-memory.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { le8, machineCode } from '../../machine-code.ts';
import { PlainMemory } from '../plain-memory.ts';

const ROM_BYTE = 0x77;
const AT = 0xe_0000;

const E000 = `
  b8 00 e0           mov ax, 0xe000
  8e d8              mov ds, ax
`;
const switchTo = (pam: number): string => `
  66 b8 94 00 00 80  mov eax, 0x80000094
  ba f8 0c           mov dx, 0xcf8
  66 ef              out dx, eax
  ba fd 0c           mov dx, 0xcfd
  b0 ${le8(pam)}     mov al, ${pam}
  ee                 out dx, al
  ${E000}
`;
const put = (at: number, byte: number): string => `c6 06 ${le8(at)} 00 ${le8(byte)}  mov byte [${at}], ${byte}\n`;
const LOAD = `
  a0 00 00           mov al, [0]
`;
const STORE_AND_LOAD = `${put(0, 0x55)} ${LOAD} f4  hlt`;

function rom(code: string): Uint8Array {
  const image = new Uint8Array(0x2_0000).fill(0xf4);
  image[0] = ROM_BYTE;
  image.set(machineCode(16, 0, code), 0x1_0000);
  image.set(machineCode(16, 0xfff0, 'ea 00 00 00 f0  jmp 0xf000:0'), 0x1_fff0);
  return image;
}

async function run(machine: Machine): Promise<number[]> {
  await machine.run({ instructions: 100 });
  return [machine.core.memory.bytes(AT, 1)[0], Number(machine.core.get('rax') & 0xffn)];
}

describe('a store and a load at 0xe0000 find, by the bits of PAM5', () => {
  const cases = [
    ['neither: ROM, and the store is lost', 0, 0, ROM_BYTE, 0xff],
    ['read enable: RAM that cannot be written', 1, 0, 0, 0],
    ['write enable: ROM, and RAM beneath that is written', 2, 0x55, ROM_BYTE, 0xff],
    ['both: RAM', 3, 0x55, 0x55, 0x55],
  ] as const;

  it.each(cases)('%s', async (_what, pam, stored, read) => {
    const bios = rom(switchTo(pam) + STORE_AND_LOAD);
    expect(await run(await Machine.create({ bios, memory: '2M' }))).toEqual([stored, read]);
  });

  it.each(cases)('%s, without firmware', async (_what, pam, stored, _rom, read) => {
    const kernel = machineCode(16, 0x7c00, switchTo(pam) + STORE_AND_LOAD);
    const flat = { address: 0x7c00, mode: 16 } as const;
    expect(await run(await Machine.create({ kernel, flat, memory: '2M' }))).toEqual([stored, read]);
  });
});

it('firmware of 64 KiB appears below 1 MiB as far as it goes', async () => {
  const image = rom(`${E000} ${LOAD} f4  hlt`).subarray(0x1_0000);
  const machine = await Machine.create({ bios: image, memory: '2M' });
  await machine.run({ instructions: 100 });
  expect(machine.core.get('rax') & 0xffn).toBe(0xffn);
});

it('code that was decoded from RAM is forgotten when it is written beneath ROM', async () => {
  const call = '9a 00 00 00 e0  call 0xe000:0\n';
  const [INC_BX, DEC_BX, RETF] = [0x43, 0x4b, 0xcb];
  const code = `
    bc 00 70  mov sp, 0x7000
    31 db     xor bx, bx
    ${switchTo(3)}
    ${put(0, INC_BX)}
    ${put(1, RETF)}
    ${call}
    ${switchTo(2)}
    ${put(0, DEC_BX)}
    ${switchTo(3)}
    ${call}
    ${call}
    f4        hlt
  `;
  const machine = await Machine.create({ bios: rom(code), memory: '2M' });
  await machine.run({ instructions: 200 });
  expect(machine.core.get('rbx') & 0xffffn).toBe(0xffffn);
});

it('a reset shows the ROM again', async () => {
  // The first time RAM is read, which holds no marker, and the machine is reset.
  const code = `
    ${switchTo(3)}
    ${LOAD}
    3c 77        cmp al, ${ROM_BYTE}
    74 04        je done
    b0 01        mov al, 1
    e6 92        out 0x92, al
    f4     done: hlt
  `;
  const machine = await Machine.create({ bios: rom(code), memory: '2M', reboot: true });
  let reboots = 0;
  machine.on('reboot', () => {
    machine.core.memory.bytes(AT, 1)[0] = ROM_BYTE;
    reboots++;
  });
  const outcome = await machine.run({ instructions: 1000 });
  expect([reboots, outcome.reason]).toEqual([1, 'halted']);
});

describe('the host bridge', () => {
  const areas: (readonly ShadowArea[])[] = [];
  const bridge = new HostBridge(
    () => {},
    (now) => areas.push(now),
  );

  it('says that all is RAM where there is no firmware, and ROM where there is', () => {
    expect(areas.at(-1)).toEqual([{ start: 0xc_0000, end: 0x10_0000, isRead: true, isWritten: true }]);
    bridge.showRom();
    expect(areas.at(-1)).toEqual([{ start: 0xc_0000, end: 0x10_0000, isRead: false, isWritten: false }]);
  });

  it('names the parts that registers 90h to 96h divide', () => {
    bridge.writeConfig(0x90, 1, 0xff);
    bridge.writeConfig(0x93, 1, 0x12);
    expect(bridge.shadow).toEqual([
      { start: 0xc_0000, end: 0xd_0000, isRead: false, isWritten: false },
      { start: 0xd_0000, end: 0xd_4000, isRead: false, isWritten: true },
      { start: 0xd_4000, end: 0xd_8000, isRead: true, isWritten: false },
      { start: 0xd_8000, end: 0xf_0000, isRead: false, isWritten: false },
      { start: 0xf_0000, end: 0x10_0000, isRead: true, isWritten: true },
    ]);
    expect(bridge.readConfig(0x90, 4)).toBe(0x1200_0030);
  });
});

it('every processor is told', () => {
  const told: unknown[] = [];
  const cores = [1, 2].map((id) => ({
    memoryMap: { shadow: (ranges: unknown) => told.push([id, ranges]) },
  })) as unknown as Core[];
  const shadow = new ShadowMemory({ cores, memory: new PlainMemory(0x10_0000), wrote: () => {}, rom: null });
  shadow.set([{ start: 0xc_0000, end: 0x10_0000, isRead: true, isWritten: false }]);
  const ranges = [{ pa: 0xc_0000, length: 0x4_0000, source: 'ram', isWritable: false }];
  expect(told).toEqual([1, 2].map((id) => [id, ranges]));
});
