// Memory below 1 MiB by the host bridge's PAM registers: ROM or RAM is read, and writes reach the RAM or nobody.
import { describe, expect, it } from 'vitest';
import type { Core } from '../../../src/core/types.ts';
import { HostBridge, type ShadowArea } from '../../../src/devices/pci/host-bridge.ts';
import { ShadowMemory } from '../../../src/machine/board/shadow-memory.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { PlainMemory } from '../plain-memory.ts';

const ROM_BYTE = 0x77;
const AT = 0xe_0000;

/** mov eax, 80000094h; mov dx, cf8h; out dx, eax; mov dx, cfdh; mov al, PAM; out dx, al; mov ax, e000h; mov ds, ax */
const switchTo = (pam: number): number[] => [
  ...[0x66, 0xb8, 0x94, 0, 0, 0x80, 0xba, 0xf8, 0x0c, 0x66, 0xef, 0xba, 0xfd, 0x0c, 0xb0, pam, 0xee],
  ...[0xb8, 0, 0xe0, 0x8e, 0xd8],
];
/** mov byte [0], 55h; mov al, [0]; hlt */
const STORE_AND_LOAD = [0xc6, 0x06, 0, 0, 0x55, 0xa0, 0, 0, 0xf4];

function rom(code: readonly number[]): Uint8Array {
  const image = new Uint8Array(0x2_0000).fill(0xf4);
  image[0] = ROM_BYTE;
  image.set(code, 0x1_0000);
  image.set([0xea, 0, 0, 0, 0xf0], 0x1_fff0);
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
    const bios = rom([...switchTo(pam), ...STORE_AND_LOAD]);
    expect(await run(await Machine.create({ bios, memory: '2M' }))).toEqual([stored, read]);
  });

  it.each(cases)('%s, without firmware', async (_what, pam, stored, _rom, read) => {
    const kernel = Uint8Array.from([...switchTo(pam), ...STORE_AND_LOAD]);
    const flat = { address: 0x7c00, mode: 16 } as const;
    expect(await run(await Machine.create({ kernel, flat, memory: '2M' }))).toEqual([stored, read]);
  });
});

it('firmware of 64 KiB appears below 1 MiB as far as it goes', async () => {
  // mov ax, e000h; mov ds, ax; mov al, [0]; hlt
  const image = rom([0xb8, 0, 0xe0, 0x8e, 0xd8, 0xa0, 0, 0, 0xf4]).subarray(0x1_0000);
  const machine = await Machine.create({ bios: image, memory: '2M' });
  await machine.run({ instructions: 100 });
  expect(machine.core.get('rax') & 0xffn).toBe(0xffn);
});

it('code that was decoded from RAM is forgotten when it is written beneath ROM', async () => {
  // mov byte [0], 90h; mov byte [1], c3h .. as RAM; call there; back to ROM for reads; another instruction; RAM; call.
  const call = [0x9a, 0, 0, 0, 0xe0];
  const put = (at: number, byte: number): number[] => [0xc6, 0x06, at, 0, byte];
  const code = [
    ...[0xbc, 0, 0x70, 0x31, 0xdb],
    ...switchTo(3),
    ...[0x43, 0xcb].flatMap((byte, at) => put(at, byte)),
    ...call,
    ...switchTo(2),
    ...put(0, 0x4b),
    ...switchTo(3),
    ...[...call, ...call, 0xf4],
  ];
  const machine = await Machine.create({ bios: rom(code), memory: '2M' });
  await machine.run({ instructions: 200 });
  expect(machine.core.get('rbx') & 0xffffn).toBe(0xffffn);
});

it('a reset shows the ROM again', async () => {
  // The first time through AL from ROM is the marker: then RAM is switched on, and the machine reset by port 92h.
  const code = [...switchTo(3), 0xa0, 0, 0, 0x3c, ROM_BYTE, 0x74, 4, 0xb0, 1, 0xe6, 0x92, 0xf4];
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
