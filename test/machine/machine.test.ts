// The machine around a processor of functions: outcomes, time, events and reports.
import { describe, expect, it } from 'vitest';
import { NEVER, Stop } from '../../src/core/types.ts';
import type { Outcome } from '../../src/machine/events.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/options.ts';
import { Pacer } from '../../src/machine/run/pacer.ts';
import { formatReport } from '../../src/machine/run/report.ts';
import {
  type FakeCore,
  type FakeInstruction,
  fakeCore,
  forever,
  haltAnd,
  hlt,
  meanwhile,
  out,
  sti,
} from './fake-core.ts';

const COM1 = 0x3f8;
const flatKernel = { kernel: Uint8Array.of(0x90), flat: { address: 0x7c00, mode: 16 } } as const;
const text = (message: string): number[] => [...message].map((c) => c.charCodeAt(0));

const machineOf = async (
  program: FakeInstruction[],
  options: Partial<MachineOptions> = {},
): Promise<{ machine: Machine; core: FakeCore; seen: string[] }> => {
  const { createCore, core } = fakeCore(program);
  const machine = await Machine.create({ ...flatKernel, memory: '1M', createCore, ...options });
  const seen: string[] = [];
  machine.on('console', (chunk, { source }) => seen.push(`${source}: ${chunk}`));
  return { machine, core: core(), seen };
};

/** Interrupt controllers ready at vectors 0x20 and 0x28, ending interrupts by themselves. */
const pics: FakeInstruction[] = [out(0x20, 0x11), out(0x21, 0x20, 4, 3), out(0xa0, 0x11), out(0xa1, 0x28, 2, 3)];
const pitEvery = (ticks: number): FakeInstruction[] => [out(0x43, 0x34), out(0x40, ticks & 0xff, ticks >> 8)];

describe('the outcome of a run', () => {
  it.each<[string, FakeInstruction[], Partial<MachineOptions>, Outcome]>([
    ['HLT with interrupts off', [hlt], {}, { reason: 'halted' }],
    ['HLT with interrupts on and no source', [sti, hlt], {}, { reason: 'halted' }],
    ['a triple fault', [() => Stop.SHUTDOWN], {}, { reason: 'shutdown', rip: expect.any(BigInt) }],
    ['a processor that waits for SIPI', [() => Stop.WAIT_FOR_SIPI], {}, { reason: 'halted' }],
    ['a keyboard reset', [out(0x64, 0xfe), forever], {}, { reason: 'reset' }],
    ['"Shutdown" at port 0x8900', [out(0x8900, ...text('Shutdown')), forever], {}, { reason: 'powered-off' }],
    [
      'isa-debug-exit',
      [(bus) => bus.portOut(0xf4, 4, 0x1234_5678), forever],
      { devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }] },
      { reason: 'debug-exit', code: 0x1234_5678 },
    ],
  ])('of %s', async (_name, program, options, outcome) => {
    const { machine } = await machineOf(program, options);
    const exits: Outcome[] = [];
    machine.on('exit', (exit) => exits.push(exit));
    expect(await machine.run()).toEqual(outcome);
    expect(exits).toEqual([outcome]);
  });

  it('is "stopped" soon after stop, and the run can go on', async () => {
    const { machine, core } = await machineOf([meanwhile(() => machine.stop()), forever]);
    expect(await machine.run()).toEqual({ reason: 'stopped' });
    const before = core.retired;
    expect(await machine.run({ instructions: 1000 })).toEqual({ reason: 'limit' });
    expect(core.retired).toBe(before + 1000);
  });

  it('is exact to the instruction with a limit', async () => {
    const { machine } = await machineOf([forever]);
    await machine.run({ instructions: 123_457 });
    expect(machine.report.instructions).toBe(123_457);
  });

  it('cannot be had twice at the same time', async () => {
    const { machine } = await machineOf([forever]);
    const run = machine.run();
    await expect(machine.run()).rejects.toThrow('running already');
    expect(() => machine.step()).toThrow('running already');
    machine.stop();
    await run;
  });

  it('leaves the event loop alive while the guest runs', async () => {
    const { machine } = await machineOf([forever]);
    let turns = 0;
    const timer = setInterval(() => {
      if (++turns === 3) machine.stop();
    }, 5);
    await machine.run();
    clearInterval(timer);
    expect(turns).toBe(3);
  });
});

describe('virtual time', () => {
  it('jumps over HLT to the next timer interrupt', async () => {
    const { machine, core } = await machineOf([...pics, ...pitEvery(0x1000), sti, hlt, hlt, out(0x64, 0xfe), forever]);
    await machine.run();
    expect(core.interrupts).toEqual([0x20, 0x20]);
    expect(core.now).toBeGreaterThan((0x1000 * 1e9) / 1_193_182);
    expect(core.retired).toBeLessThan(20);
  });

  it('delivers a timer interrupt at the same instruction in every run, however it is sliced', async () => {
    const timesOf = async (drive: (machine: Machine) => unknown): Promise<number[]> => {
      const times: number[] = [];
      const watch: FakeInstruction = (_bus, core) => {
        if (core.interrupts.length > times.length) times.push(core.retired);
        return 'again';
      };
      const { machine } = await machineOf([...pics, ...pitEvery(200), sti, watch]);
      await drive(machine);
      return times;
    };
    const whole = await timesOf((machine) => machine.run({ instructions: 1_000_000 }));
    const stepped = await timesOf((machine) => {
      for (let i = 0; i < 1000; i++) machine.step(1000);
    });
    expect(whole.length).toBe(5);
    expect(stepped).toEqual(whole);
  });

  it('follows the processor’s own next event too', async () => {
    const { machine, core } = await machineOf([
      sti,
      (_bus, c) => {
        c.nextDeadline = 5000n;
        return Stop.HALT;
      },
    ]);
    let now = 0n;
    core.advance = (ns) => {
      core.now += BigInt(ns);
      now = core.now;
      core.nextDeadline = NEVER;
    };
    expect(await machine.run()).toEqual({ reason: 'halted' });
    expect(now).toBe(5000n);
  });
});

describe('time that follows the host', () => {
  it('lets a sleeping guest sleep as long as it says', async () => {
    const { machine, core } = await machineOf([...pics, ...pitEvery(0xffff), sti, hlt, out(0x64, 0xfe), forever], {
      clock: 'host',
    });
    const start = performance.now();
    expect(await machine.run()).toEqual({ reason: 'reset' });
    expect(performance.now() - start).toBeGreaterThan(50);
    expect(core.interrupts).toEqual([0x20]);
  });

  it('interrupts a busy guest as often as the time that it sees says', async () => {
    const { machine, core } = await machineOf([...pics, ...pitEvery(11_932), sti, forever], { clock: 'host' });
    const watch = setInterval(() => core.interrupts.length >= 3 && machine.stop(), 5);
    await machine.run();
    clearInterval(watch);
    expect(core.interrupts.length).toBeGreaterThanOrEqual(Math.floor(Number(core.now) / 10.001e6) - 1);
  });

  it('wakes a sleeping guest for input', async () => {
    const timerMasked = out(0x21, 1);
    const { machine, core } = await machineOf(
      [
        ...[...pics, timerMasked, ...pitEvery(0xffff), out(COM1 + 4, 8), out(COM1 + 1, 1), sti],
        ...[haltAnd(() => machine.send('x')), out(0xcf9, 4), forever],
      ],
      { clock: 'host' },
    );
    await machine.run();
    expect(core.interrupts).toEqual([0x24]);
  });

  it('is not caught up with after a host that slept', () => {
    let host = 0;
    const pacer = new Pacer(() => host);
    pacer.start(0n);
    host = 500;
    expect(pacer.lag(0n)).toBe(500e6);
    host = 3_600_000;
    expect(pacer.lag(500_000_000n)).toBe(0);
    host += 1;
    expect(pacer.lag(500_000_000n)).toBe(1e6);
  });
});

describe('the console', () => {
  it('carries serial ports and port 0xe9 in order, as text', async () => {
    const program = [out(COM1, ...text('one ')), out(0xe9, ...text('two ')), out(COM1, ...text('three')), hlt];
    const { machine, seen } = await machineOf(program);
    await machine.run();
    expect(seen).toEqual(['serial0: one ', 'debugcon: two ', 'serial0: three']);
  });

  it('decodes UTF-8 across slices and hands the bytes out as well', async () => {
    const { machine } = await machineOf([out(COM1, 0xe2, 0x82), out(COM1, 0xac), hlt]);
    const got: [string, number[]][] = [];
    machine.on('console', (chunk, { bytes }) => got.push([chunk, [...bytes]]));
    machine.step();
    await machine.run();
    expect(got).toEqual([
      ['', [0xe2, 0x82]],
      ['€', [0xac]],
    ]);
  });

  it('has as many serial ports as are asked for, each with its name', async () => {
    const program = [out(COM1, 65), out(0x2f8, 66), out(0x3e8, 67), out(0x2e8, 68), hlt];
    const { machine, seen } = await machineOf(program, { serialPorts: 3 });
    await machine.run();
    expect(seen).toEqual(['serial0: A', 'serial1: B', 'serial2: C']);
  });

  it('stops telling a listener that was removed', async () => {
    const { machine } = await machineOf([out(COM1, 65), out(COM1, 66), hlt]);
    const got: string[] = [];
    const off = machine.on('console', (chunk) => got.push(chunk));
    machine.step();
    off();
    await machine.run();
    expect(got).toEqual(['A']);
  });

  /** Waits for a letter, answers with the next one and waits again. */
  const echo = (waits = hlt, waitsAgain = hlt): FakeInstruction[] => [
    ...pics,
    out(COM1 + 4, 8),
    out(COM1 + 1, 1),
    sti,
    waits,
    (bus) => bus.portOut(COM1, 1, bus.portIn(COM1, 1) + 1),
    waitsAgain,
  ];

  it('waits for input where that is asked for, and types what is sent', async () => {
    const [typed, stopped] = [haltAnd(() => machine.send('a')), haltAnd(() => machine.stop())];
    const { machine, core, seen } = await machineOf(echo(typed, stopped), { waitForInput: true });
    expect(await machine.run()).toEqual({ reason: 'stopped' });
    expect(seen).toEqual(['serial0: b']);
    expect(core.interrupts).toEqual([0x24]);
  });

  it('waits no longer once the input is closed', async () => {
    const { machine } = await machineOf(echo(haltAnd(() => machine.closeInput())), { waitForInput: true });
    expect(await machine.run()).toEqual({ reason: 'halted' });
  });

  it('takes input from a listener that answers a prompt', async () => {
    const { machine, seen } = await machineOf([out(COM1, 63), ...echo()], { waitForInput: true });
    const off = machine.on('console', () => {
      off();
      machine.send('x');
      machine.on('console', () => machine.stop());
    });
    await machine.run();
    expect(seen.join()).toContain('y');
  });

  it('refuses to type where there is no port', async () => {
    const { machine } = await machineOf([hlt]);
    expect(() => machine.send('x', 1)).toThrow('serial port 1 does not exist: the machine has 1');
  });
});

describe('a machine that reboots', () => {
  it('starts over with fresh devices and a fresh image, and goes on counting', async () => {
    let boots = 0;
    const { machine, core } = await machineOf(
      [
        out(0x21, 0xaa),
        (_bus, c) => {
          expect(c.memory.bytes(0x7c00, 1)[0]).toBe(0x90);
          c.memory.bytes(0x7c00, 1)[0] = 0;
        },
        ...pitEvery(50),
        (bus) => {
          if (++boots < 3) bus.portOut(0xcf9, 1, 6);
          else bus.portOut(0x8900, 1, 0);
        },
        hlt,
      ],
      { reboot: true },
    );
    const causes: string[] = [];
    machine.on('reboot', (cause) => causes.push(cause));
    expect(await machine.run()).toEqual({ reason: 'halted' });
    expect(causes).toEqual(['reset', 'reset']);
    expect(core.resets).toBe(2);
    expect(machine.report.instructions).toBe(5 + 5 + 6);
  });

  it('does so after a triple fault as well', async () => {
    let boots = 0;
    const fault: FakeInstruction = () => (++boots < 2 ? Stop.SHUTDOWN : Stop.HALT);
    const { machine } = await machineOf([fault], { reboot: true });
    expect(await machine.run()).toEqual({ reason: 'halted' });
    expect(boots).toBe(2);
  });
});

describe('the report', () => {
  it('counts instructions, stops and accesses', async () => {
    const { machine } = await machineOf([out(COM1, 65, 66), (bus) => void bus.mmioRead(0xd000_0000, 4), hlt]);
    await machine.run();
    const { report } = machine;
    expect(report).toMatchObject({
      instructions: 3,
      ports: { reads: 0, writes: 2 },
      mmio: { reads: 1, writes: 0 },
      devices: [{ name: 'serial0', reads: 0, writes: 2 }],
    });
    expect(report.stops.halt).toBe(1);
    expect(formatReport(report)).toContain('port I/O      0 reads, 2 writes');
  });
});

describe('the making of a machine', () => {
  it.each<[Partial<MachineOptions>, string]>([
    [{ memory: '4G' }, 'memory size 4G is not possible: 1M to 4064M'],
    [{ memory: 'lots' }, "memory size 'lots' is no number"],
    [{ memory: 1000 }, 'memory size 1000 is not possible'],
    [{ serialPorts: 5 }, '5 serial ports are not possible: 0 to 4'],
    [{ devices: [{ type: 'floppy' } as never] }, "device 'floppy' is unknown"],
    [{ devices: [{ type: 'isa-debug-exit', iobase: 0x3f8 }] }, 'port 0x3f8 of isa-debug-exit belongs to serial0'],
    [{ kernel: new Uint8Array(0) }, 'the flat image is empty'],
    [{ flat: undefined }, 'unknown image format'],
  ])('refuses %o', async (options, message) => {
    await expect(machineOf([hlt], options)).rejects.toThrow(message);
  });

  it.each([
    ['64', 64],
    ['1.5M', 1.5],
    ['2048K', 2],
  ])('takes -m %s for %i MiB', async (memory, mib) => {
    const { core } = await machineOf([hlt], { memory });
    expect(core.memory.size).toBe(mib * 0x10_0000);
  });

  it('tells the guest its memory by fw_cfg and CMOS', async () => {
    const read: number[] = [];
    const { machine } = await machineOf(
      [
        (bus) => {
          bus.portOut(0x510, 2, 3);
          for (let i = 0; i < 4; i++) read.push(bus.portIn(0x511, 1));
          for (const index of [0x34, 0x35]) {
            bus.portOut(0x70, 1, index);
            read.push(bus.portIn(0x71, 1));
          }
        },
        hlt,
      ],
      { memory: '256M' },
    );
    await machine.run();
    expect(read).toEqual([0, 0, 0, 0x10, 0x00, 0x0f]);
  });

  it('puts a device of the embedder at its ports', async () => {
    const seen: number[] = [];
    const device = {
      maxWidth: 1,
      read: () => 0x5a,
      write: (_o: number, _w: number, v: number) => seen.push(v),
    } as const;
    const { machine } = await machineOf([(bus) => bus.portOut(0xe8, 1, bus.portIn(0xe9, 1)), hlt], {
      devices: [{ type: 'custom', name: 'marker', iobase: 0xe8, iosize: 1, device }],
    });
    await machine.run();
    expect(seen).toEqual([0xe9]);
    expect(machine.report.devices).toContainEqual({ name: 'marker', reads: 0, writes: 1 });
  });

  it('connects the lines of pc-testdev to the interrupt controllers', async () => {
    const raise: FakeInstruction = (bus) => bus.portOut(0x2000 + 5, 1, 1);
    const { machine, core } = await machineOf([...pics, sti, raise, hlt], { devices: [{ type: 'pc-testdev' }] });
    await machine.run();
    expect(core.interrupts).toEqual([0x25]);
  });
});
