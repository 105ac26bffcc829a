// The command from arguments to exit code, on a processor of functions.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { command } from '../../src/cli/command.ts';
import { keyFilter } from '../../src/cli/keys.ts';
import { VERSION } from '../../src/cli/version.ts';
import { type Bus, Stop } from '../../src/index.ts';
import { type FakeInstruction, fakeCore, forever, haltAnd, hlt, meanwhile, out, sti } from '../machine/fake-core.ts';
import { type FakeHost, fakeHost } from './fake-host.ts';

const boot = async (
  line: string,
  program: FakeInstruction[],
  host: FakeHost = fakeHost(),
  subCommand: readonly string[] = [],
): Promise<{ code: number; host: FakeHost }> => {
  host.files.set('boot.bin', Uint8Array.of(0x90, 0xf4));
  const { createCore } = fakeCore(program);
  const args = `-device loader,file=boot.bin,addr=0x7c00 -m 1M ${line}`.trim().split(' ');
  return { code: await command([...subCommand, ...args], host, { createCore }), host };
};
const say = (text: string, port = 0x3f8): FakeInstruction => out(port, ...new TextEncoder().encode(text));

describe('the command', () => {
  it('prints help with examples, and the version of the package', async () => {
    const host = fakeHost();
    expect(await command(['--help'], host)).toBe(0);
    expect(host.output).toMatch(/usage: vmlaunch[\s\S]*vmlaunch -kernel kernel.elf/);
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(VERSION).toBe(version);
    expect(await command(['--version'], host)).toBe(0);
    expect(host.output).toContain(`vmlaunch ${version}\n`);
  });

  it('lists processor models and features', async () => {
    const host = fakeHost();
    expect(await command(['-cpu', 'help'], host)).toBe(0);
    expect(host.output).toMatch(/models:\n {2}max [\s\S]*Haswell[\s\S]*features:\n[\s\S]* nx /);
    expect(Math.max(...host.output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it('says in one line what is wrong, and exits with 1', async () => {
    for (const [args, message] of [
      [['-smp', '9'], 'vmlaunch: -smp 9: 1 to 8 processors\n'],
      [['-kernel', 'nowhere.elf'], 'vmlaunch: cannot read nowhere.elf: no such file\n'],
      [
        ['-kernel', 'text'],
        'vmlaunch: unknown image format (5 bytes): known are Multiboot 1 and 2, Linux bzImage, ELF32, ELF64, and flat with an address\n',
      ],
      [['-kernel', 'text', '-m', '9G'], 'vmlaunch: memory size 9G is not possible: 1M to 4064M in whole pages of 4K\n'],
    ] as const) {
      const host = fakeHost({ text: 'hello' });
      expect(await command(args, host)).toBe(1);
      expect(host.errors).toBe(message);
    }
  });

  it.each([
    [0, 1],
    [1, 3],
    [77, 155],
    [127, 255],
    [128, 1],
  ])('exits with (N << 1) | 1 for %i at isa-debug-exit: %i', async (value, code) => {
    const exit: FakeInstruction = (bus) => bus.portOut(0xf4, 4, value);
    const run = await boot('-device isa-debug-exit,iobase=0xf4,iosize=4', [exit, forever]);
    expect(run.code).toBe(code);
  });

  it('exits with a code of its own when the guest comes to nothing, and says how', async () => {
    const halted = await boot('', [hlt]);
    expect([halted.code, halted.host.errors]).toEqual([100, 'vmlaunch: the guest halted with nothing to wake it\n']);
    const faulted = await boot('-no-reboot', [() => Stop.SHUTDOWN]);
    expect([faulted.code, faulted.host.errors]).toEqual([102, 'vmlaunch: the guest triple-faulted at RIP 0x7c00\n']);
  });

  it('begins its own last words on a line of their own', async () => {
    const { host } = await boot('', [say('no newline'), hlt]);
    expect(host.errors).toBe('\nvmlaunch: the guest halted with nothing to wake it\n');
    const finished = await boot('', [say('newline\n'), hlt]);
    expect(finished.host.errors).toBe('vmlaunch: the guest halted with nothing to wake it\n');
  });

  it('starts over after a triple fault unless told not to', async () => {
    let boots = 0;
    await boot('', [() => (++boots < 3 ? Stop.SHUTDOWN : Stop.HALT)]);
    expect(boots).toBe(3);
  });

  it('ends a guest that triple-faults three times in a row without a word', async () => {
    let boots = 0;
    const { code, host } = await boot('', [() => (++boots > 0 ? Stop.SHUTDOWN : Stop.HALT)]);
    expect([boots, code]).toEqual([3, 102]);
    expect(host.errors.split('\n')).toEqual([
      'vmlaunch: the guest triple-faulted at RIP 0x7c00, and starts over',
      'vmlaunch: the guest triple-faulted at RIP 0x7c00, and starts over',
      'vmlaunch: the guest triple-faulted at RIP 0x7c00, 3 times in a row without output',
      '',
    ]);
  });

  it('ends after the time that --timeout gives, with the code of timeout(1)', async () => {
    const { code, host } = await boot('--timeout 1', [forever]);
    expect([code, host.errors]).toEqual([124, 'vmlaunch: ended after 1 seconds\n']);
  });

  it('tells of an exit to break at that never came by a code of its own', async () => {
    const { code, host } = await boot('--break CPUID', [hlt]);
    expect([code, host.errors]).toEqual([
      106,
      'vmlaunch: the guest halted with nothing to wake it; the exit to break at did not come\n',
    ]);
  });

  it('keeps the number of the process in a file while it runs', async () => {
    const host = fakeHost({});
    let kept: unknown;
    await boot('-pidfile run.pid', [meanwhile(() => (kept = host.files.get('run.pid'))), hlt], host);
    expect([kept, host.files.has('run.pid')]).toEqual(['4711\n', false]);
  });

  it('writes tables as JSON into a file of their own, beside the console', async () => {
    const host = fakeHost({});
    await boot('--json=out.json', [say('words\n'), hlt], host, ['stat']);
    expect(host.output).toBe('words\n');
    expect(JSON.parse(String(host.files.get('out.json')))).toMatchObject({ exits: expect.any(Array) });
  });

  it.each([['-hdc'], ['-device pvpanic'], ['-nic user'], ['-serial file:x']])(
    'boots no demo where %s asks for more',
    async (args) => {
      const host = fakeHost();
      const words = args === '-hdc' ? ['-append', 'x'] : args.split(' ');
      expect(await command(words, host)).toBe(1);
      expect(host.errors).toMatch(/there is nothing to boot|-append needs a -kernel/);
    },
  );

  it('sends consoles where they belong', async () => {
    const program = [say('one'), say('two', 0x2f8), say('three', 0xe9), hlt];
    const { host } = await boot('-serial stdio -serial file:two.txt -debugcon none', program);
    expect(host.output).toBe('one');
    expect(host.files.get('two.txt')).toBe('two');
  });

  it('gives what is typed to the first serial port at the terminal', async () => {
    const host = fakeHost({}, true);
    const wait: FakeInstruction = (bus) => (bus.portIn(0x2fd, 1) & 1 ? undefined : 'again');
    const echo: FakeInstruction = (bus) => bus.portOut(0xe9, 1, bus.portIn(0x2f8, 1));
    await boot('-serial none -serial stdio', [meanwhile(() => host.type('x')), wait, echo, hlt], host);
    expect(host.output).toBe('x');
  });

  it('reports and stops at a limit when asked to', async () => {
    const { code, host } = await boot('--report --limit 1000', [forever]);
    expect(code).toBe(104);
    expect(host.errors).toContain('the limit of instructions is reached');
    expect(host.errors).toContain('instructions  1,000 in');
  });

  it('ends on an interrupt from outside and lets go of the terminal', async () => {
    const host = fakeHost();
    const { code } = await boot('', [meanwhile(() => host.interrupt()), forever], host);
    expect([code, host.isReading(), host.errors]).toEqual([130, false, 'vmlaunch: ended by a signal\n']);
  });

  it('presses the power button on SIGTERM where the guest listens, and ends at the second', async () => {
    const [PM1_STATUS, PM1_ENABLE, PM1_CONTROL] = [0x600, 0x602, 0x604];
    const listen: FakeInstruction = (bus) => bus.portOut(PM1_ENABLE, 2, 0x100);
    const obey: FakeInstruction = (bus) => {
      if (!(bus.portIn(PM1_STATUS, 2) & 0x100)) return 'again';
      return bus.portOut(PM1_CONTROL, 2, 0x3400);
    };
    const host = fakeHost();
    const terminate = (): FakeInstruction => meanwhile(() => host.interrupt('SIGTERM'));
    await boot('', [listen, terminate(), obey, forever], host);
    expect(host.errors).toBe('');
    for (const program of [[listen, terminate(), terminate()], [terminate()]]) {
      host.errors = '';
      await boot('', [...program, forever], host);
      expect(host.errors).toBe('vmlaunch: ended by a signal\n');
    }
  });

  it('reports a panic with the last words on the console and the registers', async () => {
    const panic: FakeInstruction = (bus) => bus.portOut(0x505, 1, 1);
    const program = [say('fine so far\n[    1.5] Kernel panic - not syncing: no init\n'), panic, forever];
    const { code, host } = await boot('-device pvpanic', program);
    expect(code).toBe(1);
    expect(host.errors).toMatch(
      /^vmlaunch: the guest panicked: Kernel panic - not syncing: no init\nits last words:\n {2}fine so far\n/,
    );
    expect(host.errors).toMatch(/registers of processor 0:\n {2}rip {4}[0-9a-f]{16} {2}rflags [0-9a-f]{16} /);
  });

  it('reports a panic that ends in a reset, and no reset without one', async () => {
    const reset = out(0xcf9, 6);
    const end = async (text: string) => (await boot('-no-reboot', [say(text), reset, forever])).host.errors;
    expect(await end('Kernel panic - not syncing: Attempted to kill init!\n')).toContain('the guest panicked: Kernel');
    expect(await end('rebooting\n')).toBe('');
  });

  it('gives the terminal to -chardev stdio instead of a serial port', async () => {
    const host = fakeHost();
    const program = [say('unseen'), (bus: Bus) => bus.mmioWrite(0xfeb0_0108, 4, 0x48), hlt];
    const line = '-machine microvm -chardev stdio,id=c -device virtio-serial -device virtconsole,chardev=c';
    await boot(line, program, host);
    expect(host.output).toBe('H');
    expect((await boot(`${line} -serial stdio`, program)).host.errors).toContain('there is one terminal');
  });

  /** Waits for a letter, answers with it and waits again. */
  const echo = (waits: FakeInstruction, waitsAgain: FakeInstruction): FakeInstruction[] => [
    out(0x20, 0x11),
    out(0x21, 0x20, 4, 3, 0),
    out(0x3f8 + 4, 8),
    out(0x3f8 + 1, 1),
    sti,
    waits,
    (bus) => bus.portOut(0x3f8, 1, bus.portIn(0x3f8, 1)),
    waitsAgain,
  ];

  it('types what comes from a terminal, until Ctrl-A x', async () => {
    const host = fakeHost({}, true);
    const program = echo(
      haltAnd(() => host.type('q')),
      haltAnd(() => host.type('\x01x')),
    );
    const { code } = await boot('-nographic', program, host);
    expect([code, host.output, host.errors]).toEqual([0, 'q', '']);
  });

  it('traces instructions into a file, code once and steps each time', async () => {
    const host = fakeHost();
    await boot('-d exec,in_asm,int -D trace.txt', [sti, sti, hlt], host);
    const lines = String(host.files.get('trace.txt')).trim().split('\n');
    expect(lines.filter((line) => line.startsWith('Trace 0: [0000000000000000/0000000000007c00/'))).toHaveLength(3);
    expect(lines.filter((line) => line === '0x00007c00:  90                                nop')).toHaveLength(1);
  });

  it('names the processor of each step', async () => {
    const host = fakeHost();
    await boot('-smp 2 -d exec -D trace.txt', [sti, sti, sti, hlt], host);
    const lines = String(host.files.get('trace.txt')).trim().split('\n');
    expect(new Set(lines.map((line) => line.slice(0, 8)))).toEqual(new Set(['Trace 0:', 'Trace 1:']));
  });
});

describe('keys of a terminal', () => {
  const filter = (passesCtrlC: boolean, ...chunks: string[]): { sent: string; left: number } => {
    const result = { sent: '', left: 0 };
    const keys = keyFilter({
      passesCtrlC,
      send: (bytes) => {
        result.sent += new TextDecoder().decode(bytes);
      },
      leave: () => {
        result.left++;
      },
    });
    for (const chunk of chunks) keys(new TextEncoder().encode(chunk));
    return result;
  };

  it('leave by Ctrl-A x, also in two chunks', () => {
    expect(filter(true, 'ab\x01xc')).toEqual({ sent: 'abc', left: 1 });
    expect(filter(true, '\x01', 'x')).toEqual({ sent: '', left: 1 });
  });

  it('type Ctrl-A by Ctrl-A twice and drop other escapes', () => {
    expect(filter(true, '\x01\x01\x01q.')).toEqual({ sent: '\x01.', left: 0 });
  });

  it('pass Ctrl-C on where the guest owns it, and leave by it elsewhere', () => {
    expect(filter(true, '\x03')).toEqual({ sent: '\x03', left: 0 });
    expect(filter(false, '\x03')).toEqual({ sent: '', left: 1 });
  });
});
