// Several processors on one thread: INIT and SIPI, a common time, and runs that repeat themselves.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Machine, type MachineOptions } from '../../../src/index.ts';
import { buildWasm } from '../../../tools/build-wasm.ts';

const root = resolve(import.meta.dirname, '../../..');
const IMAGE = 0x7c00;
const AP_START = 0x8000;
const READY = 0x500;
const LOOPS = 100_000;

const u16 = (value: number): number[] => [value & 0xff, value >> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
/** mov dword [0xfee00300], command: to all but itself. */
const sendIpi = (command: number): number[] => [0xc7, 0x05, ...u32(0xfee0_0300), ...u32(command)];

/** 32-bit code: starts the others, waits until all are there, says B. */
const bootstrap = (others: number): number[] => [
  ...[0xc6, 0x05, ...u32(READY), 0], // mov byte [READY], 0
  ...sendIpi(0xc4500), // INIT
  ...sendIpi(0xc4600 | (AP_START >> 12)), // SIPI
  ...[0x80, 0x3d, ...u32(READY), others], // L: cmp byte [READY], others
  ...[0x75, 0xf7], // jne L
  ...[0xba, ...u32(0x3f8), 0xb0, 0x42, 0xee], // mov edx, 0x3f8; mov al, 'B'; out dx, al
];

/** 16-bit code: says A, reports, then counts at 0x510 for ever. */
const application = [
  ...[0xba, ...u16(0x3f8), 0xb0, 0x41, 0xee], // mov dx, 0x3f8; mov al, 'A'; out dx, al
  ...[0xf0, 0xfe, 0x06, ...u16(READY)], // lock inc byte [READY]
  ...[0xf0, 0x66, 0xff, 0x06, ...u16(0x510)], // L: lock inc dword [0x510]
  ...[0xeb, 0xf8], // jmp L
];

/** Loops for 200 microseconds and leaves by the count at 0x510. */
const countAndExit = [
  ...[0xb9, ...u32(LOOPS), 0x49, 0x75, 0xfd], // mov ecx, LOOPS; L: dec ecx; jnz L
  ...[0xa1, ...u32(0x510), 0xe7, 0xf4], // mov eax, [0x510]; out 0xf4, eax
];

/** The first time resets the machine, the second time leaves with 7. */
const resetOnce = [
  ...[0xfe, 0x05, ...u32(0x508), 0x80, 0x3d, ...u32(0x508), 2], // inc byte [0x508]; cmp byte [0x508], 2
  ...[0x74, 0x06, 0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe], // je M; mov al, 0xfe; out 0x64, al; jmp $
  ...[0xb8, ...u32(7), 0xe7, 0xf4], // M: mov eax, 7; out 0xf4, eax
];

describe('several processors', () => {
  let source: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    source = new Uint8Array(readFileSync(await buildWasm(root, 'release')));
  }, 600_000);

  const run = async (vcpus: number, tail: number[], options: Partial<MachineOptions> = {}) => {
    const kernel = new Uint8Array(AP_START - IMAGE + application.length);
    kernel.set([...bootstrap(vcpus - 1), ...tail]);
    kernel.set(application, AP_START - IMAGE);
    const machine = await Machine.create({
      kernel,
      flat: { address: IMAGE, mode: 32 },
      memory: '1M',
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
      vcpus,
      source,
      ...options,
    });
    let output = '';
    machine.on('console', (text) => {
      output += text;
    });
    const outcome = await machine.run({ instructions: 10_000_000 });
    return { machine, outcome, output };
  };

  it.each([2, 3, 8])('speak after INIT and SIPI: %i of them', async (vcpus) => {
    const { machine, outcome, output } = await run(vcpus, countAndExit);
    expect(output).toBe(`${'A'.repeat(vcpus - 1)}B`);
    expect(outcome.reason).toBe('debug-exit');
    expect(machine.cores).toHaveLength(vcpus);
    expect(machine.core).toBe(machine.cores[0]);
    // The bootstrap processor's letter and the way out, a letter of every other.
    const written = machine.report.exits.filter(({ reason }) => reason === 'IO_OUT');
    expect(written.map(({ cpu, count }) => [cpu, count])).toEqual(
      machine.cores.map((_, cpu) => [cpu, cpu === 0 ? 2 : 1]),
    );
    expect(machine.report.instructions).toBe(machine.cores.reduce((sum, core) => sum + core.retired, 0));
  });

  it('get equal shares of one time, which goes on by an instruction of any', async () => {
    const { machine, outcome } = await run(3, countAndExit);
    const count = outcome.reason === 'debug-exit' ? outcome.code : 0;
    expect(count).toBeGreaterThan(2 * LOOPS - 20_000);
    expect(count).toBeLessThan(2 * LOOPS + 20_000);
    const { instructions, ports, virtualSeconds } = machine.report;
    expect(virtualSeconds * 1e9).toBeCloseTo(instructions + 1000 * (ports.reads + ports.writes), -3);
  });

  it('do the same in every run', async () => {
    const runs: unknown[] = [];
    for (let n = 0; n < 10; n++) {
      const { machine, outcome, output } = await run(3, countAndExit);
      const cores = machine.cores.map((core) => [core.retired, core.now, core.get('rip'), core.get('rsp')]);
      runs.push({ outcome, output, cores, stops: machine.report.stops });
    }
    for (const one of runs) expect(one).toEqual(runs[0]);
  });

  it('wait for SIPI again after a reset of the machine', async () => {
    const { outcome, output } = await run(3, resetOnce, { reboot: true });
    expect(output).toBe('AABAAB');
    expect(outcome).toEqual({ reason: 'debug-exit', code: 7 });
  });

  it('halt for good where the first does and nobody started the others', async () => {
    const kernel = Uint8Array.of(0xf4);
    expect((await run(4, [], { kernel })).outcome).toEqual({ reason: 'halted' });
  });

  it('end the run by the triple fault of any', async () => {
    const faulty = new Uint8Array(AP_START - IMAGE + 8);
    faulty.set(bootstrap(1));
    // lidt [0x600]; ud2: a table without entries
    faulty.set([0x0f, 0x01, 0x1e, 0x00, 0x06, 0x0f, 0x0b], AP_START - IMAGE);
    expect((await run(2, [], { kernel: faulty })).outcome).toEqual({ reason: 'shutdown' });
  });

  it.each([0, 9, 1.5])('are 1 to 8, not %d', async (vcpus) => {
    await expect(run(vcpus, [])).rejects.toThrow(`${vcpus} processors are not possible: 1 to 8`);
  });
});
