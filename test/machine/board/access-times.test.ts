// What accesses cost in virtual time, as the guest that makes them sees it.
import { describe, expect, it } from 'vitest';
import { Machine, type MachineOptions } from '../../../src/index.ts';
import { le8, le32, machineCode } from '../../machine-code.ts';

const LOG = 0x3000;
const HPET = 0xfed0_0000;
const PIT_HZ = 1_193_182;
const START = 0x1000;

/** `code` between two RDTSC, whose difference leaves through the debug port. */
const timed = (code: string): string => `
  0f 31  rdtsc
  89 c6  mov esi, eax
  ${code}
  0f 31  rdtsc
  29 f0  sub eax, esi
  e7 f4  out 0xf4, eax
`;
const IN_AL = 'ec  in al, dx';
const IN_EAX = 'ed  in eax, dx';
const OUT_AL = 'ee  out dx, al';
const atPort = (port: number, instruction: string): string => `ba ${le32(port)}  mov edx, ${port}\n ${instruction}`;
const load = (address: number): string => `a1 ${le32(address)}  mov eax, [${address}]`;
const store = (address: number, value: number): string =>
  `c7 05 ${le32(address)} ${le32(value)}  mov dword [${address}], ${value}`;

/** `count` reads of a port of the PIT, by one instruction. */
const readPort = (count: number): string => `
  b9 ${le32(count)}  mov ecx, ${count}
  bf ${le32(LOG)}    mov edi, ${LOG}
  ba 40 00 00 00     mov edx, 0x40
  fc                 cld
  f3 6c              rep insb
`;

async function run(code: string, options: Partial<MachineOptions> = {}) {
  return runImage(machineCode(32, START, code), options);
}

async function runImage(kernel: Uint8Array, options: Partial<MachineOptions> = {}) {
  const machine = await Machine.create({
    kernel,
    flat: { address: START, mode: 32 },
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
    ['a read of a port of the PIT', atPort(0x40, IN_AL), 1000],
    ['a write to a port of the PIC', atPort(0x21, OUT_AL), 1000],
    ['a read of a serial port', atPort(0x3fd, IN_AL), 1000],
    ['the traditional delay, port 80H', 'e6 80  out 0x80, al', 1000],
    ['four bytes of PCI configuration space', atPort(0xcfc, IN_EAX), 1000],
    ['a read of the HPET', load(HPET + 0xf0), 500],
    ['a write to the HPET, which is posted', `a3 ${le32(HPET)}  mov [${HPET}], eax`, 100],
    ['a read where nothing answers', load(0xd000_0000), 500],
    ['a character of a trace', atPort(0xe9, OUT_AL), 0],
    ['a register of the local APIC', load(0xfee0_0020), 0],
    ['a register of the I/O APIC', load(0xfec0_0000), 0],
    ['memory', load(LOG), 0],
  ] as const)('takes the time that it takes on a PC: %s', async (_, access, ns) => {
    const { code } = await run(timed(access));
    expect(code).toBeGreaterThanOrEqual(ns);
    expect(code).toBeLessThan(ns + 8);
  });

  it('takes it at each iteration of a repeated instruction', async () => {
    const { code } = await run(timed(readPort(50)));
    expect(code).toBeGreaterThanOrEqual(50_000);
    expect(code).toBeLessThan(50_200);
  });

  it('is none that a guest could miss an interrupt by: the APIC timer comes within a repeated instruction', async () => {
    // A timer of 20 us, one-shot, vector 40H; its handler leaves with what ECX came to, of 10,000 reads of a port.
    const handler = 0x1100;
    const code = `
      0f 01 15 00 13 00 00  lgdt [0x1300]
      0f 01 1d 08 13 00 00  lidt [0x1308]
      bc 00 80 00 00        mov esp, 0x8000
      ${store(0xfee0_00f0, 0x1ff)}  ; enables the APIC
      ${store(0xfee0_03e0, 11)}  ; divides by 1
      ${store(0xfee0_0320, 0x40)}  ; one-shot, vector 40H
      ${store(0xfee0_0380, 20_000)}
      fb                    sti
      ${readPort(10_000)}
      e7 f4                 out 0xf4, eax  ; not in time
    `;
    const image = new Uint8Array(0x400);
    image.set(machineCode(32, START, code));
    image.set(machineCode(32, handler, '89 c8  mov eax, ecx\n e7 f4  out 0xf4, eax'), handler - START);
    const view = new DataView(image.buffer);
    for (const [at, limit, base] of [
      [0x300, 0x1f, 0x1310],
      [0x308, 0x3ff, 0x1400],
    ]) {
      view.setUint16(at, limit, true);
      view.setUint32(at + 2, base, true);
    }
    image.set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0], 0x318);
    const gate = [handler & 0xff, handler >> 8, 8, 0, 0, 0x8e, 0, 0];
    const kernel = new Uint8Array(0x700);
    kernel.set(image);
    kernel.set(gate, 0x400 + 8 * 0x40);
    const { code: left } = await runImage(kernel);
    expect(left).toBeGreaterThanOrEqual(10_000 - 21);
    expect(left).toBeLessThanOrEqual(10_000 - 19);
  });

  it('lets a loop that waits for the PIT poll as often as on a PC', async () => {
    // Counts reads of port 61H until the output of counter 2 rises, after 10 ms: the way to calibrate a clock.
    const count = Math.round(PIT_HZ / 100);
    const out = (port: number, value: number): string => `
      b0 ${le8(value)}  mov al, ${value}
      e6 ${le8(port)}   out ${port}, al
    `;
    const { code } = await run(`
      ${[out(0x61, 1), out(0x43, 0xb0), out(0x42, count & 0xff), out(0x42, count >> 8)].join('')}
      31 db        xor ebx, ebx
      43     next: inc ebx
      e4 61        in al, 0x61
      a8 20        test al, 0x20
      74 f9        je next
      89 d8        mov eax, ebx
      e7 f4        out 0xf4, eax
    `);
    expect(code).toBeGreaterThan(9_900);
    expect(code).toBeLessThan(10_000);
  });

  it('of a device comes before its price: no clock of the board is ahead of the TSC', async () => {
    const { code } = await run(`
      ${store(HPET + 0x10, 1)}  ; the HPET counts
      ${load(HPET + 0xf0)}
      89 c3     mov ebx, eax
      0f 31     rdtsc
      ${'90  nop\n'.repeat(30)}
      6b db 0a  imul ebx, ebx, 10
      29 d8     sub eax, ebx
      e7 f4     out 0xf4, eax
    `);
    expect(code).toBeGreaterThan(0);
    expect(code).toBeLessThan(520 + 100);
  });

  it('ends in the same way in every run, whatever the slices', async () => {
    const code = timed(`${`${atPort(0x3fd, IN_AL)}\n`.repeat(20)} ${load(HPET + 0xf0)}`);
    const { machine, code: whole } = await run(code);
    const stepped = await run(code, { tracer: { instruction: () => {} } });
    expect(stepped.code).toBe(whole);
    expect(stepped.machine.report.virtualSeconds).toBe(machine.report.virtualSeconds);
  });
});
