// What accesses cost in virtual time, as the guest that makes them sees it.
import { describe, expect, it } from 'vitest';
import { Machine, type MachineOptions } from '../../../src/index.ts';

const LOG = 0x3000;
const HPET = 0xfed0_0000;
const PIT_HZ = 1_193_182;
const u32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];

/** `code` between two RDTSC, whose difference leaves through the debug port. */
const timed = (code: readonly number[]): number[] => [
  ...[0x0f, 0x31, 0x89, 0xc6], // rdtsc; mov esi, eax
  ...code,
  ...[0x0f, 0x31, 0x29, 0xf0, 0xe7, 0xf4], // rdtsc; sub eax, esi; out 0xf4, eax
];
const inDx = (port: number, instruction: readonly number[]): number[] => [0xba, ...u32(port), ...instruction];
const IN_AL = [0xec];
const OUT_AL = [0xee];

async function run(code: readonly number[], options: Partial<MachineOptions> = {}) {
  const machine = await Machine.create({
    kernel: Uint8Array.from(code),
    flat: { address: 0x1000, mode: 32 },
    memory: '1M',
    devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
    ...options,
  });
  const outcome = await machine.run({ instructions: 20_000_000 });
  if (outcome.reason !== 'debug-exit') throw new Error(`the guest ended as ${outcome.reason}`);
  return { machine, code: outcome.code };
}

describe('an access', () => {
  it.each([
    ['a read of a port of the PIT', inDx(0x40, IN_AL), 1000],
    ['a write to a port of the PIC', inDx(0x21, OUT_AL), 1000],
    ['a read of a serial port', inDx(0x3fd, IN_AL), 1000],
    ['the traditional delay, port 80H', [0xe6, 0x80], 1000],
    ['four bytes of PCI configuration space', inDx(0xcfc, [0xed]), 1000],
    ['a read of the HPET', [0xa1, ...u32(HPET + 0xf0)], 500],
    ['a write to the HPET, which is posted', [0xa3, ...u32(HPET)], 100],
    ['a read where nobody answers', [0xa1, ...u32(0xd000_0000)], 500],
    ['a character of a trace', inDx(0xe9, OUT_AL), 0],
    ['a register of the local APIC', [0xa1, ...u32(0xfee0_0020)], 0],
    ['a register of the I/O APIC', [0xa1, ...u32(0xfec0_0000)], 0],
    ['memory', [0xa1, ...u32(LOG)], 0],
  ] as const)('takes the time that it takes on a PC: %s', async (_, access, ns) => {
    const { code } = await run(timed(access));
    expect(code).toBeGreaterThanOrEqual(ns);
    expect(code).toBeLessThan(ns + 8);
  });

  it('takes it at each iteration of a repeated instruction', async () => {
    // mov ecx, 50; mov edi, LOG; cld; rep insb
    const { code } = await run(timed([0xb9, ...u32(50), 0xbf, ...u32(LOG), 0xba, ...u32(0x40), 0xfc, 0xf3, 0x6c]));
    expect(code).toBeGreaterThanOrEqual(50_000);
    expect(code).toBeLessThan(50_200);
  });

  it('is none that a guest could miss an interrupt by: the APIC timer comes within a repeated instruction', async () => {
    // A timer of 20 us, one-shot, vector 40H; its handler leaves with what ECX came to, of 10,000 reads of a port.
    const handler = 0x1100;
    const code = [
      ...[0x0f, 0x01, 0x15, ...u32(0x1300), 0x0f, 0x01, 0x1d, ...u32(0x1308)], // lgdt [1300h]; lidt [1308h]
      ...[0xbc, ...u32(0x8000)], // mov esp, 8000h
      ...[0xc7, 0x05, ...u32(0xfee0_00f0), ...u32(0x1ff)], // enable the APIC
      ...[0xc7, 0x05, ...u32(0xfee0_03e0), ...u32(11)], // divide by 1
      ...[0xc7, 0x05, ...u32(0xfee0_0320), ...u32(0x40)], // one-shot, vector 40H
      ...[0xc7, 0x05, ...u32(0xfee0_0380), ...u32(20_000)],
      ...[0xb9, ...u32(10_000), 0xbf, ...u32(LOG), 0xba, ...u32(0x40), 0xfb, 0xfc, 0xf3, 0x6c], // sti; cld; rep insb
      ...[0xe7, 0xf4], // not in time
    ];
    const image = new Uint8Array(0x400);
    image.set(code);
    image.set([0x89, 0xc8, 0xe7, 0xf4], handler - 0x1000); // mov eax, ecx; out 0xf4, eax
    image.set([0x1f, 0, ...u32(0x1310), 0, 0, 0xff, 0x03, ...u32(0x1400)], 0x300);
    image.set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0], 0x318);
    const gate = [handler & 0xff, handler >> 8, 8, 0, 0, 0x8e, 0, 0];
    const kernel = new Uint8Array(0x700);
    kernel.set(image);
    kernel.set(gate, 0x400 + 8 * 0x40);
    const { code: left } = await run([...kernel]);
    expect(left).toBeGreaterThanOrEqual(10_000 - 21);
    expect(left).toBeLessThanOrEqual(10_000 - 19);
  });

  it('lets a loop that waits for the PIT poll as often as on a PC', async () => {
    // Counts reads of port 61H until the output of counter 2 rises, after 10 ms: the way to calibrate a clock.
    const count = Math.round(PIT_HZ / 100);
    const out = (port: number, value: number): number[] => [0xb0, value, 0xe6, port];
    const { code } = await run([
      ...[...out(0x61, 1), ...out(0x43, 0xb0), ...out(0x42, count & 0xff), ...out(0x42, count >> 8), 0x31, 0xdb],
      ...[0x43, 0xe4, 0x61, 0xa8, 0x20, 0x74, 0xf9], // L: inc ebx; in al, 61h; test al, 20h; jz L
      ...[0x89, 0xd8, 0xe7, 0xf4], // mov eax, ebx; out 0xf4, eax
    ]);
    expect(code).toBeGreaterThan(9_900);
    expect(code).toBeLessThan(10_000);
  });

  it('of a device comes before its price: no clock of the board is ahead of the TSC', async () => {
    const image = [
      ...[0xc7, 0x05, ...u32(HPET + 0x10), ...u32(1)], // the HPET counts
      ...[0xa1, ...u32(HPET + 0xf0), 0x89, 0xc3, 0x0f, 0x31], // mov eax, [counter]; mov ebx, eax; rdtsc
      ...Array(30).fill(0x90),
      ...[0x6b, 0xdb, 10, 0x29, 0xd8, 0xe7, 0xf4], // imul ebx, 10; sub eax, ebx; out 0xf4, eax
    ];
    const { code } = await run(image);
    expect(code).toBeGreaterThan(0);
    expect(code).toBeLessThan(520 + 100);
  });

  it('ends in the same way in every run, whatever the slices', async () => {
    const code = timed([...Array(20).fill(inDx(0x3fd, IN_AL)).flat(), 0xa1, ...u32(HPET + 0xf0)]);
    const { machine, code: whole } = await run(code);
    const stepped = await run(code, { tracer: { instruction: () => {} } });
    expect(stepped.code).toBe(whole);
    expect(stepped.machine.report.virtualSeconds).toBe(machine.report.virtualSeconds);
  });
});
