// Several processors on one thread: INIT and SIPI, a common time, and runs that repeat themselves.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Machine, type MachineOptions } from '../../../src/index.ts';
import { buildWasm } from '../../../tools/build-wasm.ts';
import { le8, le32, machineCode } from '../../machine-code.ts';

const root = resolve(import.meta.dirname, '../../..');
const IMAGE = 0x7c00;
const AP_START = 0x8000;
const READY = 0x500;
const LOOPS = 100_000;

/** To all but itself. */
const sendIpi = (command: number): string => `
  c7 05 00 03 e0 fe ${le32(command)}  mov dword [0xfee00300], ${command}
`;

/** 32-bit code: starts the others, waits until all are there, says B. */
const bootstrap = (others: number): string => `
  c6 05 00 05 00 00 00                    mov byte [${READY}], 0
  ${sendIpi(0xc4500)}                     ; INIT
  ${sendIpi(0xc4600 | (AP_START >> 12))}  ; SIPI
  80 3d 00 05 00 00 ${le8(others)}  wait: cmp byte [${READY}], ${others}
  75 f7                                   jne wait
  ba f8 03 00 00                          mov edx, 0x3f8
  b0 42                                   mov al, 'B'
  ee                                      out dx, al
`;

/** 16-bit code: says A, reports, then counts at 0x510 for ever. */
const APPLICATION = `
  ba f8 03                 mov dx, 0x3f8
  b0 41                    mov al, 'A'
  ee                       out dx, al
  f0 fe 06 00 05           lock inc byte [${READY}]
  f0 66 ff 06 10 05  next: lock inc dword [0x510]
  eb f8                    jmp next
`;

/** Loops for 200 microseconds and leaves by the count at 0x510. */
const COUNT_AND_EXIT = `
  b9 ${le32(LOOPS)}        mov ecx, ${LOOPS}
  49                 more: dec ecx
  75 fd                    jne more
  a1 10 05 00 00           mov eax, [0x510]
  e7 f4                    out 0xf4, eax
`;

/** The first time resets the machine, the second time leaves with 7. */
const RESET_ONCE = `
  fe 05 08 05 00 00           inc byte [0x508]
  80 3d 08 05 00 00 02        cmp byte [0x508], 2
  74 06                       je again
  b0 fe                       mov al, 0xfe
  e6 64                       out 0x64, al
  eb fe                       jmp $
  b8 07 00 00 00       again: mov eax, 7
  e7 f4                       out 0xf4, eax
`;

describe('several processors', () => {
  let source: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    source = new Uint8Array(readFileSync(await buildWasm(root, 'release')));
  }, 600_000);

  const run = async (vcpus: number, tail: string, options: Partial<MachineOptions> = {}) => {
    const application = machineCode(16, AP_START, APPLICATION);
    const kernel = new Uint8Array(AP_START - IMAGE + application.length);
    kernel.set(machineCode(32, IMAGE, bootstrap(vcpus - 1) + tail));
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
    const { machine, outcome, output } = await run(vcpus, COUNT_AND_EXIT);
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
    const { machine, outcome } = await run(3, COUNT_AND_EXIT);
    const count = outcome.reason === 'debug-exit' ? outcome.code : 0;
    expect(count).toBeGreaterThan(2 * LOOPS - 20_000);
    expect(count).toBeLessThan(2 * LOOPS + 20_000);
    const { instructions, ports, virtualSeconds } = machine.report;
    expect(virtualSeconds * 1e9).toBeCloseTo(instructions + 1000 * (ports.reads + ports.writes), -3);
  });

  it('do the same in every run', async () => {
    const runs: unknown[] = [];
    for (let n = 0; n < 10; n++) {
      const { machine, outcome, output } = await run(3, COUNT_AND_EXIT);
      const cores = machine.cores.map((core) => [core.retired, core.now, core.get('rip'), core.get('rsp')]);
      runs.push({ outcome, output, cores, stops: machine.report.stops });
    }
    for (const one of runs) expect(one).toEqual(runs[0]);
  });

  it('wait for SIPI again after a reset of the machine', async () => {
    const { outcome, output } = await run(3, RESET_ONCE, { reboot: true });
    expect(output).toBe('AABAAB');
    expect(outcome).toEqual({ reason: 'debug-exit', code: 7 });
  });

  it('halt for good if the first does and the others were not started', async () => {
    const kernel = machineCode(32, IMAGE, 'f4  hlt');
    expect((await run(4, '', { kernel })).outcome).toEqual({ reason: 'halted' });
  });

  it('end the run by the triple fault of any', async () => {
    const faulty = new Uint8Array(AP_START - IMAGE + 8);
    faulty.set(machineCode(32, IMAGE, bootstrap(1)));
    const withoutGates = '0f 01 1e 00 06  lidt [0x600]\n 0f 0b  ud2';
    faulty.set(machineCode(16, AP_START, withoutGates), AP_START - IMAGE);
    expect((await run(2, '', { kernel: faulty })).outcome).toEqual({ reason: 'shutdown', rip: expect.any(BigInt) });
  });

  it.each([0, 9, 1.5])('are 1 to 8, not %d', async (vcpus) => {
    const kernel = machineCode(32, IMAGE, 'f4  hlt');
    await expect(Machine.create({ kernel, flat: { address: IMAGE, mode: 32 }, vcpus })).rejects.toThrow(
      `${vcpus} processors are not possible: 1 to 8`,
    );
  });
});
