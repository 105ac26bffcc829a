/**
 * The tiny guests on our machine. Every bench is a program whose result an independent machine has computed too
 * (test/oracle/rom-checksums.json); those that need what the processor has not yet are on the list below.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { benchImage, parseOutput, type Width } from '../../bench/guest-run.ts';
import { Machine, type Outcome, ramDisk } from '../../src/index.ts';

const INSTRUCTION_LIMIT = 200e6;
const SLOW = 60_000;

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const oracle = JSON.parse(readFileSync(file('../oracle/rom-checksums.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>;

async function boot(kernel: Uint8Array, append = '', cpu = 'max'): Promise<{ output: string; outcome: Outcome }> {
  const devices = [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }] as const;
  const machine = await Machine.create({ kernel, append, cpu, devices });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  const outcome = await machine.run({ instructions: INSTRUCTION_LIMIT });
  return { output, outcome };
}

describe('the greeting guest', () => {
  it(
    'reaches long mode, counts the primes below a million and leaves with code 0',
    async () => {
      const { output, outcome } = await boot(new Uint8Array(readFileSync(file('../../roms/hello.elf'))), 'one two');
      expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
      expect(output).toMatch(/^Hello from a guest/);
      expect(output).toContain('mode        64-bit, CR0 80000011');
      expect(output).toContain('told        "kernel one two"');
      expect(output).toContain('168 below 1000, 1229 below 10000, 9592 below 100000, 78498 below 1000000');
      expect(output).toMatch(/Bye\.\n$/);
    },
    SLOW,
  );
});

describe.each([32, 64] as const)('the %i-bit bench guest', (width: Width) => {
  const expected = Object.entries(oracle[`bench${width}.elf`]).map(([name, checksum]) => ({ name, checksum }));

  it('lists the benches that the oracle knows, and no others', async () => {
    const { output } = await boot(benchImage(width), 'bench=list');
    expect(parseOutput(output).map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
  });

  it('refuses a bench that it does not know', async () => {
    const { output, outcome } = await boot(benchImage(width), 'bench=nothing');
    expect(output).toBe('no such bench\n');
    expect(outcome).toEqual({ reason: 'debug-exit', code: 1 });
  });

  it.each(expected)(
    '$name computes what QEMU computes',
    async ({ name, checksum }) => {
      const { output, outcome } = await boot(benchImage(width), `bench=${name} units=1`);
      expect(outcome, output).toEqual({ reason: 'debug-exit', code: 0 });
      expect(parseOutput(output)).toMatchObject([{ name, checksum }]);
    },
    SLOW,
  );
});

describe('an oracle', () => {
  it('agrees with SHA-256 of 64 KiB as Node computes it', () => {
    const text = Uint8Array.from({ length: 65536 }, (_, k) => k & 0xff);
    const first = createHash('sha256').update(text).digest('hex').slice(0, 8);
    expect([oracle['bench32.elf'].sha256, oracle['bench64.elf'].shani]).toEqual([first, first]);
  });
});

describe('the hypervisors', () => {
  it.each([
    ['vmx-hello.elf', 'exit reason 18, RAX 42'],
    ['vmx-shadow.elf', "guest's sum 122888"],
    ['vmx-ept.elf', "guest's sum 122888"],
    ['vmx-bugs.elf', '3rd attempt  VM exit, basic reason 2'],
  ])('%s do what their sources say, with EPT and without where they need none', async (name, says) => {
    const image = new Uint8Array(readFileSync(file(`../../roms/${name}`)));
    for (const cpu of name === 'vmx-ept.elf' ? ['Skylake-Client'] : ['Skylake-Client', 'Penryn']) {
      const { output, outcome } = await boot(image, '', cpu);
      expect(output).toContain(says);
      expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
    }
  });
});

describe('the chain loader', () => {
  const image = (name: string): Uint8Array => {
    const bytes = new Uint8Array(0x8000);
    bytes.set(readFileSync(file(`../../roms/${name}`)));
    return bytes;
  };
  const runDisks = async (names: readonly string[], cpu = 'max') => {
    const drives = Object.fromEntries(names.map((name, n) => [`disk${n}`, ramDisk(image(name))]));
    const disks = names.map((_, n) => ({ type: 'virtio-blk', drive: `disk${n}` }) as const);
    const devices = [...disks, { type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 } as const];
    const machine = await Machine.create({ cpu, drives, devices, memory: '16M' });
    let output = '';
    machine.on('console', (text) => {
      output += text;
    });
    const outcome = await machine.run({ instructions: INSTRUCTION_LIMIT });
    return { output, outcome, exits: machine.report.exits };
  };
  const goodbye = 'guest: the next sector says goodbye\r\n';

  it('boots the next disk in VMX non-root operation, where INT 10h, 12h and 13h are the firmware’s', async () => {
    const { output, outcome, exits } = await runDisks(['chain.img', 'chain-guest.img']);
    // 544 KiB are left to the guest, whose disk is the first; CPUID is the hypervisor's.
    const sees = 'guest: disk 80 base memory 0220 vmx 00 monitor chain-loader\r\n';
    expect(output).toBe(`chain: the next disk becomes a guest\r\n${sees}${goodbye}`);
    expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
    const reasons = exits.filter(({ level }) => level === 1).map(({ reason, count }) => [reason, count]);
    expect(reasons).toEqual([['CPUID', 2]]);
  });

  it('is not needed by that disk, which then sees the whole machine', async () => {
    const { output, outcome } = await runDisks(['chain-guest.img']);
    expect(output).toMatch(/^guest: disk 80 base memory 027F vmx 01 monitor /);
    expect([output.endsWith(goodbye), outcome]).toEqual([true, { reason: 'debug-exit', code: 0 }]);
  });

  it('says what it lacks: a second disk', async () => {
    const { output } = await runDisks(['chain.img']);
    expect(output).toContain('chain: there is no second disk with a boot sector');
  });
});
