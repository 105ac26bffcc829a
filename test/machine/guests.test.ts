// Guests of a few bytes on the real processor: every way to boot, to speak and to end.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { command } from '../../src/cli/command.ts';
import type { BootMode, MachineOptions, Outcome, Tracer } from '../../src/index.ts';
import { Machine } from '../../src/index.ts';
import { fakeHost } from '../cli/fake-host.ts';
import { machineCode } from '../machine-code.ts';
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
const flat = (mode: BootMode, listing: string): MachineOptions => ({
  kernel: machineCode(mode, 0x7c00, listing),
  flat: { address: 0x7c00, mode },
});

const hi = (mode: BootMode): MachineOptions => {
  const prefix = mode === 16 ? '' : '66 ';
  return flat(
    mode,
    `
    ${prefix}ba f8 03  mov dx, 0x3f8
    b0 48     mov al, 'H'
    ee        out dx, al
    b0 69     mov al, 'i'
    ee        out dx, al
    b0 03     mov al, 3
    e6 f4     out 0xf4, al
    `,
  );
};

describe('a flat guest', () => {
  it.each([16, 32, 64] as const)('speaks and ends in %i-bit mode', async (mode) => {
    const { outcome, output, machine } = await run(hi(mode));
    expect([output, outcome]).toEqual(['Hi', { reason: 'debug-exit', code: 3 }]);
    expect(machine.report).toMatchObject({ instructions: 7, ports: { reads: 0, writes: 3 } });
  });

  it('is in long mode under identity tables when entered in 64-bit mode', async () => {
    const code = `
      48 c7 c0 00 00 20 00  mov rax, 0x200000
      c7 00 34 12 00 00     mov dword [rax], 0x1234
      8b 00                 mov eax, [rax]
      e7 f4                 out 0xf4, eax
    `;
    expect((await run(flat(64, code))).outcome).toEqual({ reason: 'debug-exit', code: 0x1234 });
  });

  it('finds a GDT behind its selectors', async () => {
    const code = `
      b8 18 00 00 00              mov eax, 0x18
      8e d8                       mov ds, eax
      8e c0                       mov es, eax
      ea 10 7c 00 00 10 00        jmp 0x10:next
      b0 09                 next: mov al, 9
      e6 f4                       out 0xf4, al
    `;
    expect((await run(flat(32, code))).outcome).toEqual({ reason: 'debug-exit', code: 9 });
  });

  it.each<[string, string, Outcome]>([
    ['HLT with interrupts off', 'f4  hlt', { reason: 'halted' }],
    ['a triple fault', '0f 0b  ud2', { reason: 'shutdown', rip: expect.any(BigInt) }],
    ['the keyboard controller', 'b0 fe  mov al, 0xfe\n e6 64  out 0x64, al\n eb fe  jmp $', { reason: 'reset' }],
    ['nothing: it loops', 'eb fe  jmp $', { reason: 'limit' }],
  ])('ends by %s', async (_name, code, outcome) => {
    expect((await run(flat(32, code))).outcome).toEqual(outcome);
  });

  it('starts over from its image when it resets the machine', async () => {
    const code = `
      fe 06 20 7c             inc byte [count]
      80 3e 00 06 03          cmp byte [0x600], 3
      74 0a                   je done
      fe 06 00 06             inc byte [0x600]
      b0 fe                   mov al, 0xfe
      e6 64                   out 0x64, al
      eb fe                   jmp $
      a0 20 7c         done:  mov al, [count]
      e6 f4                   out 0xf4, al
      00 00 00 00 00 00       db 0, 0, 0, 0, 0, 0
      00 00            count: db 0, 0
    `;
    const { outcome } = await run({ ...flat(16, code), reboot: true });
    expect(outcome).toEqual({ reason: 'debug-exit', code: 1 });
  });
});

/** Real mode: the timer interrupts at every 169th of its ticks, and `wait` stands in a loop until it has done so five times. */
const timerGuest = (wait: string): MachineOptions => {
  const code = new Uint8Array(0x49);
  const back = (0xf9 - machineCode(16, 0, wait).length).toString(16);
  const main = `
    31 c0                    xor ax, ax
    8e d8                    mov ds, ax
    c7 06 20 00 40 7c        mov word [0x20], 0x7c40
    a3 22 00                 mov [0x22], ax
    b0 34                    mov al, 0x34  ; counter 0, two bytes, mode 2
    e6 43                    out 0x43, al
    b0 a9                    mov al, 169
    e6 40                    out 0x40, al
    b0 00                    mov al, 0
    e6 40                    out 0x40, al
    fb                       sti
                       back:
    ${wait}
    80 3e 00 06 05           cmp byte [0x600], 5
    72 ${back}               jb back
    88 c8                    mov al, cl
    e6 f4                    out 0xf4, al
  `;
  const handler = `
    fe 06 00 06  inc byte [0x600]
    b0 20        mov al, 0x20
    e6 20        out 0x20, al  ; the end of the interrupt
    cf           iret
  `;
  code.set(machineCode(16, 0x7c00, main));
  code.set(machineCode(16, 0x7c40, handler), 0x40);
  return { kernel: code, flat: { address: 0x7c00, mode: 16 } };
};
const HLT = 'f4  hlt';
const INC_ECX = '66 41  inc ecx';

describe('the timer of a guest', () => {
  it('wakes it from HLT, and time jumps from tick to tick', async () => {
    const { outcome, machine } = await run(timerGuest(HLT));
    expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
    const { report } = machine;
    expect(report.instructions).toBe(11 + 5 * (1 + 4 + 2) + 2);
    expect(report.stops.halt).toBeGreaterThanOrEqual(5);
    expect(report.virtualSeconds).toBeCloseTo((5 * 169) / 1_193_182, 5);
  });

  it('interrupts it at the same instruction however it is run', async () => {
    const whole = await run(timerGuest(INC_ECX));
    const sliced = await Machine.create({ memory: '4M', devices: [EXIT], ...timerGuest(INC_ECX) });
    let outcome: Outcome | null = null;
    while (!outcome) outcome = sliced.step(997);
    const single = await run({ ...timerGuest(INC_ECX), tracer: { instruction: () => {} } });
    expect(whole.outcome.reason).toBe('debug-exit');
    for (const other of [sliced, single.machine]) {
      expect(other.core.get('rcx')).toBe(whole.machine.core.get('rcx'));
      expect(other.core.retired).toBe(whole.machine.core.retired);
      expect(other.core.now).toBe(whole.machine.core.now);
    }
    expect(whole.machine.core.now).toBeGreaterThan((5 * 169 * 1e9) / 1_193_182);
  });

  it('reaches it through the interrupt controller only while that lets it', async () => {
    const options = timerGuest(INC_ECX);
    const mask = machineCode(16, 0x7c00, 'b0 01  mov al, 1\n e6 21  out 0x21, al');
    const kernel = Uint8Array.from([...mask, ...options.kernel!.subarray(0, 0x3c), ...options.kernel!.subarray(0x40)]);
    const { outcome } = await run({ ...options, kernel });
    expect(outcome).toEqual({ reason: 'limit' });
  });
});

describe('a kernel', () => {
  it.each([
    [32, MIB],
    [64, MIB],
  ] as const)('as plain ELF%i is entered in its own mode', async (bits, entry) => {
    // What is an instruction in 32-bit mode is a prefix in 64-bit mode.
    const count = bits === 32 ? '48  dec eax\n 90  nop' : '48 90  xchg rax, rax';
    const code = machineCode(bits, entry, `b8 05 00 00 00  mov eax, 5\n ${count}\n e6 f4  out 0xf4, al`);
    const { outcome } = await run({ kernel: elfImage(bits, entry, [{ physical: entry, bytes: code }]) });
    expect(outcome).toEqual({ reason: 'debug-exit', code: bits === 32 ? 4 : 5 });
  });

  it('under Multiboot 1 finds the magic in EAX and its command line through EBX', async () => {
    const code = machineCode(
      32,
      MIB + 12,
      `
      3d 02 b0 ad 2b        cmp eax, 0x2badb002
      75 fe                 jne $
      8b 73 10              mov esi, [ebx+16]
      66 ba f8 03           mov dx, 0x3f8
      ac              next: lodsb
      84 c0                 test al, al
      74 03                 je done
      ee                    out dx, al
      eb f8                 jmp next
      e6 f4           done: out 0xf4, al
      `,
    );
    const bytes = new Uint8Array([...multiboot1Header(0), ...code]);
    const kernel = elfImage(32, MIB + 12, [{ physical: MIB, bytes }]);
    const { outcome, output } = await run({ kernel, kernelName: 'k.elf', append: 'one two' });
    expect([output, outcome]).toEqual(['k.elf one two', { reason: 'debug-exit', code: 0 }]);
  });

  it('under Multiboot 2 finds its magic in EAX and the size of its information at EBX', async () => {
    const header = multiboot2Header([]);
    const code = machineCode(
      32,
      MIB + 4 + header.length,
      `
      3d 89 62 d7 36  cmp eax, 0x36d76289
      75 fe           jne $
      8b 03           mov eax, [ebx]
      24 07           and al, 7
      e6 f4           out 0xf4, al
      `,
    );
    const pad = new Uint8Array(4);
    const bytes = new Uint8Array([...pad, ...header, ...code]);
    const kernel = elfImage(32, MIB + 4 + header.length, [{ physical: MIB, bytes }]);
    expect((await run({ kernel })).outcome).toEqual({ reason: 'debug-exit', code: 0 });
  });
});

describe('the trace of a guest', () => {
  it('lists its code, its steps and its exceptions', async () => {
    const host = fakeHost({ 'g.bin': machineCode(32, 0x7c00, 'b0 07  mov al, 7\n 0f 0b  ud2') });
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
    await run({ ...timerGuest(HLT), tracer });
    expect(vectors).toEqual([8, 8, 8, 8, 8]);
    expect([...at]).toEqual([0x7c1bn]);
  });

  it('counts the same instructions as a run without it', async () => {
    const traced = await run({ ...hi(16), tracer: { instruction: () => {} } });
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
