// Guests of a few bytes on the real processor: every way to boot, to speak and to end.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { command } from '../../src/cli/command.ts';
import type { BootMode, MachineOptions, Outcome, Tracer } from '../../src/index.ts';
import { Machine } from '../../src/index.ts';
import { fakeHost } from '../cli/fake-host.ts';
import { elfImage, multiboot1Header, multiboot2Header } from './firmware/loaders/images.ts';

const MIB = 0x10_0000;
const EXIT = { type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 } as const;

const run = async (options: MachineOptions): Promise<{ outcome: Outcome; output: string; machine: Machine }> => {
  const machine = await Machine.create({ memory: '4M', devices: [EXIT], ...options });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  return { outcome: await machine.run({ instructions: 1_000_000 }), output, machine };
};
const flat = (mode: BootMode, ...code: number[]): MachineOptions => ({
  kernel: Uint8Array.from(code),
  flat: { address: 0x7c00, mode },
});

/** mov dx, 0x3f8; mov al, 'H'; out dx, al; mov al, 'i'; out dx, al; mov al, 3; out 0xf4, al */
const HI_16 = [0xba, 0xf8, 0x03, 0xb0, 0x48, 0xee, 0xb0, 0x69, 0xee, 0xb0, 0x03, 0xe6, 0xf4];
const HI_32 = [0x66, ...HI_16];

describe('a flat guest', () => {
  it.each([16, 32, 64] as const)('speaks and ends in %i-bit mode', async (mode) => {
    const { outcome, output, machine } = await run(flat(mode, ...(mode === 16 ? HI_16 : HI_32)));
    expect([output, outcome]).toEqual(['Hi', { reason: 'debug-exit', code: 3 }]);
    expect(machine.report).toMatchObject({ instructions: 7, ports: { reads: 0, writes: 3 } });
  });

  it('is in long mode under identity tables when entered in 64-bit mode', async () => {
    // mov rax, 0x200000; mov dword [rax], 0x1234; mov eax, [rax]; out 0xf4, eax
    const code = [0x48, 0xc7, 0xc0, 0, 0, 0x20, 0, 0xc7, 0x00, 0x34, 0x12, 0, 0, 0x8b, 0x00, 0xe7, 0xf4];
    expect((await run(flat(64, ...code))).outcome).toEqual({ reason: 'debug-exit', code: 0x1234 });
  });

  it('finds a GDT behind its selectors', async () => {
    // mov eax, 0x18; mov ds, eax; mov es, eax; jmp 0x10:0x7c10; .. 0x7c10: mov al, 9; out 0xf4, al
    const code = [0xb8, 0x18, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0xea, 0x10, 0x7c, 0, 0, 0x10, 0, 0xb0, 9, 0xe6, 0xf4];
    expect((await run(flat(32, ...code))).outcome).toEqual({ reason: 'debug-exit', code: 9 });
  });

  it.each<[string, number[], Outcome]>([
    ['HLT with interrupts off', [0xf4], { reason: 'halted' }],
    ['a triple fault', [0x0f, 0x0b], { reason: 'shutdown' }],
    ['the keyboard controller', [0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe], { reason: 'reset' }],
    ['nothing: it loops', [0xeb, 0xfe], { reason: 'limit' }],
  ])('ends by %s', async (_name, code, outcome) => {
    expect((await run(flat(32, ...code))).outcome).toEqual(outcome);
  });

  it('starts over from its image when it resets the machine', async () => {
    // inc byte [0x7c20]; cmp byte [0x600], 3; je done; inc byte [0x600]; mov al, 0xfe; out 0x64, al; jmp $; done: mov al, [0x7c20]; out 0xf4, al
    const code = [
      0xfe,
      0x06,
      0x20,
      0x7c,
      0x80,
      0x3e,
      0x00,
      0x06,
      0x03,
      0x74,
      0x0a,
      0xfe,
      0x06,
      0x00,
      0x06,
      0xb0,
      0xfe,
      0xe6,
      0x64,
      0xeb,
      0xfe,
      0xa0,
      0x20,
      0x7c,
      0xe6,
      0xf4,
      ...new Array(8).fill(0),
    ];
    const { outcome } = await run({ ...flat(16, ...code), reboot: true });
    expect(outcome).toEqual({ reason: 'debug-exit', code: 1 });
  });
});

/**
 * Real mode: [0x20] = 0:0x7c40; the timer at 169 ticks in mode 2; sti; then `wait`, cmp byte [0x600], 5, jb back to it;
 * mov al, cl; out 0xf4, al. At 0x7c40: inc byte [0x600]; end of interrupt; iret.
 */
const timerGuest = (...wait: number[]): MachineOptions => {
  const code = new Uint8Array(0x49);
  code.set([
    0x31,
    0xc0,
    0x8e,
    0xd8,
    0xc7,
    0x06,
    0x20,
    0x00,
    0x40,
    0x7c,
    0xa3,
    0x22,
    0x00,
    0xb0,
    0x34,
    0xe6,
    0x43,
    0xb0,
    0xa9,
    0xe6,
    0x40,
    0xb0,
    0x00,
    0xe6,
    0x40,
    0xfb,
    ...wait,
    0x80,
    0x3e,
    0x00,
    0x06,
    0x05,
    0x72,
    0xf9 - wait.length,
    0x88,
    0xc8,
    0xe6,
    0xf4,
  ]);
  code.set([0xfe, 0x06, 0x00, 0x06, 0xb0, 0x20, 0xe6, 0x20, 0xcf], 0x40);
  return flat(16, ...code);
};
const HLT = [0xf4];
const INC_ECX = [0x66, 0x41];

describe('the timer of a guest', () => {
  it('wakes it from HLT, and time jumps from tick to tick', async () => {
    const { outcome, machine } = await run(timerGuest(...HLT));
    expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
    const { report } = machine;
    expect(report.instructions).toBe(11 + 5 * (1 + 4 + 2) + 2);
    expect(report.stops.halt).toBeGreaterThanOrEqual(5);
    expect(report.virtualSeconds).toBeCloseTo((5 * 169) / 1_193_182, 5);
  });

  it('interrupts it at the same instruction however it is run', async () => {
    const whole = await run(timerGuest(...INC_ECX));
    const sliced = await Machine.create({ memory: '4M', devices: [EXIT], ...timerGuest(...INC_ECX) });
    let outcome: Outcome | null = null;
    while (!outcome) outcome = sliced.step(997);
    const single = await run({ ...timerGuest(...INC_ECX), tracer: { instruction: () => {} } });
    expect(whole.outcome.reason).toBe('debug-exit');
    for (const other of [sliced, single.machine]) {
      expect(other.core.get('rcx')).toBe(whole.machine.core.get('rcx'));
      expect(other.core.retired).toBe(whole.machine.core.retired);
      expect(other.core.now).toBe(whole.machine.core.now);
    }
    expect(whole.machine.core.now).toBeGreaterThan((5 * 169 * 1e9) / 1_193_182);
  });

  it('reaches it through the interrupt controller only while that lets it', async () => {
    const options = timerGuest(...INC_ECX);
    const masked = Uint8Array.from([
      0xb0,
      0x01,
      0xe6,
      0x21,
      ...options.kernel!.subarray(0, 0x3c),
      ...options.kernel!.subarray(0x40),
    ]);
    const { outcome } = await run({ ...options, kernel: masked });
    expect(outcome).toEqual({ reason: 'limit' });
  });
});

describe('a kernel', () => {
  it.each([
    [32, MIB],
    [64, MIB],
  ] as const)('as plain ELF%i is entered in its own mode', async (bits, entry) => {
    // 32-bit: dec eax (0x48) counts; 64-bit: it is a prefix. mov eax, 5; dec eax / nop; out 0xf4, al
    const code = Uint8Array.of(0xb8, 5, 0, 0, 0, 0x48, 0x90, 0xe6, 0xf4);
    const { outcome } = await run({ kernel: elfImage(bits, entry, [{ physical: entry, bytes: code }]) });
    expect(outcome).toEqual({ reason: 'debug-exit', code: bits === 32 ? 4 : 5 });
  });

  it('under Multiboot 1 finds the magic in EAX and its command line through EBX', async () => {
    // cmp eax, 0x2badb002; jne $; mov esi, [ebx+16]; mov dx, 0x3f8; l: lodsb; test al, al; jz d; out dx, al; jmp l; d: out 0xf4, al
    const code = [
      0x3d, 0x02, 0xb0, 0xad, 0x2b, 0x75, 0xfe, 0x8b, 0x73, 0x10, 0x66, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 0x03,
      0xee, 0xeb, 0xf8, 0xe6, 0xf4,
    ];
    const bytes = new Uint8Array([...multiboot1Header(0), ...code]);
    const kernel = elfImage(32, MIB + 12, [{ physical: MIB, bytes }]);
    const { outcome, output } = await run({ kernel, kernelName: 'k.elf', append: 'one two' });
    expect([output, outcome]).toEqual(['k.elf one two', { reason: 'debug-exit', code: 0 }]);
  });

  it('under Multiboot 2 finds its magic in EAX and the size of its information at EBX', async () => {
    // cmp eax, 0x36d76289; jne $; mov eax, [ebx]; and al, 7; out 0xf4, al
    const code = [0x3d, 0x89, 0x62, 0xd7, 0x36, 0x75, 0xfe, 0x8b, 0x03, 0x24, 0x07, 0xe6, 0xf4];
    const header = multiboot2Header([]);
    const pad = new Uint8Array(4);
    const bytes = new Uint8Array([...pad, ...header, ...code]);
    const kernel = elfImage(32, MIB + 4 + header.length, [{ physical: MIB, bytes }]);
    expect((await run({ kernel })).outcome).toEqual({ reason: 'debug-exit', code: 0 });
  });
});

describe('the trace of a guest', () => {
  it('lists its code, its steps and its exceptions', async () => {
    const host = fakeHost({ 'g.bin': Uint8Array.of(0xb0, 0x07, 0x0f, 0x0b) });
    const line = '-device loader,file=g.bin,addr=0x7c00,mode=32 -no-reboot -m 1M -d in_asm,int,exec -D t.txt';
    await command(line.split(' '), host);
    const lines = String(host.files.get('t.txt')).split('\n');
    expect(lines.slice(0, 4)).toEqual([
      '0x00007c00:  b0 07                             mov al, 0x7',
      'Trace 0: [0000000000000000/0000000000007c00/00000002]',
      '0x00007c02:  0f 0b                             ud2',
      'Trace 0: [0000000000000000/0000000000007c02/00000002]',
    ]);
    expect(lines[4]).toMatch(/^ {5}0: v=.. e=.... i=0 cpl=0 IP=0010:0000000000007c02 SP=0018:0000000000007c00$/);
  });

  it('shows interrupts too, where they came', async () => {
    const vectors: number[] = [];
    const at = new Set<bigint>();
    const tracer: Tracer = {
      event: ({ vector, rip, isSoftware }) => {
        vectors.push(vector);
        at.add(rip);
        expect(isSoftware).toBe(false);
      },
    };
    await run({ ...timerGuest(...HLT), tracer });
    expect(vectors).toEqual([8, 8, 8, 8, 8]);
    expect([...at]).toEqual([0x7c1bn]);
  });

  it('counts the same instructions as a run without it', async () => {
    const traced = await run({ ...flat(16, ...HI_16), tracer: { instruction: () => {} } });
    expect(traced.machine.report.instructions).toBe(7);
  });
});

describe('the guest of the package', () => {
  const demo = async (...args: string[]): Promise<{ code: number; output: string; errors: string }> => {
    const host = fakeHost({ 'vmx-ept.elf': readFileSync(new URL('../../roms/vmx-ept.elf', import.meta.url)) });
    const { readFile } = host;
    host.readFile = (path) => readFile(path.replace(/.*\//, ''));
    return { code: await command(args, host), output: host.output, errors: host.errors };
  };

  it('runs when nothing else is named, and ends with the table of its VM exits and a report', async () => {
    const { code, output, errors } = await demo();
    expect(code).toBe(0);
    // What the program sums, worked out by hand: 4 rounds over 64 pages in 2 address spaces, and 8 CPUIDs.
    expect(output).toContain("guest's sum 122888\n");
    const [, cpuid, violations] = /exits +CPUID (\d+) VMCALL 1 EPT_VIOLATION (\d+)\n/.exec(output) ?? [];
    expect(cpuid).toBe('8');
    expect(output).toMatch(new RegExp(`EPT_VIOLATION +${violations} `));
    expect(output).toMatch(/Total Samples:\d+, Total events handled time:[\d.]+us, modelled cost:\d+cyc\.\n$/);
    expect(errors).toMatch(/^instructions {2}[\d,]+ in [\d.]+ s: [\d.]+ MIPS\n/);
  });

  it('is the same run every time', async () => {
    const [first, second] = [await demo(), await demo()];
    const instructions = (errors: string): string | undefined => /instructions {2}([\d,]+)/.exec(errors)?.[1];
    expect(instructions(first.errors)).toBe(instructions(second.errors));
    expect(first.output).toBe(second.output);
  });
});
