// Two processors hand a word to each other and write down what their clocks show: time is one, and never goes back.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCore } from '../../../src/core/index.ts';
import { AcpiPm } from '../../../src/devices/acpi-pm.ts';
import { VirtualClock } from '../../../src/devices/clock.ts';
import { HPET_BYTES, Hpet } from '../../../src/devices/hpet.ts';
import { PcBus } from '../../../src/machine/board/bus.ts';
import { ACPI_PM_BASE, HPET_BASE } from '../../../src/machine/firmware/addresses.ts';
import { RoundRobin, TURN_NS } from '../../../src/machine/run/round-robin.ts';
import { buildWasm } from '../../../tools/build-wasm.ts';
import { enterFlat32, u32 } from '../../core/guest.ts';
import { le32, machineCode } from '../../machine-code.ts';

const root = resolve(import.meta.dirname, '../../..');
const CODE = 0x1000;
const TURN = 0x3000;
const POINTER = 0x3040;
const LOG = 0x4000;
const ENTRY_BYTES = 20;
const ENTRIES = 200;
const PM_TICK_NS = 1e9 / 3_579_545;

const [HPET_COUNTER, PM_TIMER] = [HPET_BASE + 0xf0, ACPI_PM_BASE + 8];

/** Waits until the word at TURN is its own number, logs TSC, HPET, PM timer and TSC again, and gives the word away. */
const player = machineCode(
  32,
  CODE,
  `
  39 1d ${le32(TURN)}    wait: cmp [${TURN}], ebx
  75 f8                        jne wait
  8b 3d ${le32(POINTER)}       mov edi, [${POINTER}]
  0f 31                        rdtsc
  ab                           stosd
  89 d0                        mov eax, edx
  ab                           stosd
  a1 ${le32(HPET_COUNTER)}     mov eax, [${HPET_COUNTER}]
  ab                           stosd
  ba ${le32(PM_TIMER)}         mov edx, ${PM_TIMER}
  ed                           in eax, dx
  ab                           stosd
  0f 31                        rdtsc
  ab                           stosd
  89 3d ${le32(POINTER)}       mov [${POINTER}], edi
  89 d8                        mov eax, ebx
  83 f0 01                     xor eax, 1
  a3 ${le32(TURN)}             mov [${TURN}], eax
  eb ca                        jmp wait
  `,
);

describe('two processors', () => {
  let source: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    source = new Uint8Array(readFileSync(await buildWasm(root, 'release')));
  }, 600_000);

  /** What they logged, in nanoseconds: a row of four a turn of the word. */
  const play = async (turnNs: number): Promise<number[][]> => {
    const bus: PcBus = new PcBus((ns) => turns.spend(ns));
    const options = { memoryBytes: 1 << 20, bus, source, vcpus: 2 };
    const first = await createCore({ ...options, id: 0 });
    const second = await createCore({ ...options, id: 1, backing: first.backing });
    const turns: RoundRobin = new RoundRobin([first, second], turnNs);
    const clock = new VirtualClock(
      () => turns.now,
      () => turns.running?.requestStop(),
    );
    const hpet = new Hpet({ clock, pins: [2, 8], line: () => () => {}, legacy: () => {} });
    hpet.write(0x10, 4, 1);
    bus.mapMmio('hpet', HPET_BASE, HPET_BYTES, hpet);
    bus.mapPorts('acpi-pm', ACPI_PM_BASE, 12, new AcpiPm({ clock, sci: () => {}, powerOff: () => {} }));
    first.memory.bytes(CODE, player.length).set(player);
    first.memory.bytes(POINTER, 4).set([LOG & 0xff, LOG >> 8, 0, 0]);
    for (const [id, core] of [first, second].entries()) {
      enterFlat32(core, CODE, 0x8000 + 0x100 * id);
      core.set('rbx', BigInt(id));
    }
    while (u32(first, POINTER) < LOG + ENTRIES * ENTRY_BYTES) {
      turns.round({
        nextEvent: () => clock.nextDeadline,
        instructions: 1e9,
        slice: 4000,
        isEnding: () => false,
        run: (core, budget) => {
          turns.running = core;
          const stop = core.run(budget);
          turns.running = null;
          return stop;
        },
      });
    }
    return Array.from({ length: ENTRIES }, (_, n) => {
      const [low, high, ticks, pmTicks, after] = [0, 4, 8, 12, 16].map((at) => u32(first, LOG + n * ENTRY_BYTES + at));
      expect(high).toBe(0);
      return [low, ticks * 10, Math.floor(pmTicks * PM_TICK_NS), after];
    });
  };

  it.each([1, 2, 3, 61, 1000, 4099, TURN_NS, 20_000, 100_003])(
    'never see a clock go back, with turns of %i ns',
    async (turnNs) => {
      const log = await play(turnNs);
      for (const [n, [tsc, hpet, pm, after]] of log.entries()) {
        const [oldTsc, oldHpet, oldPm, oldAfter] = log[n - 1] ?? [-1, -1, -1, -1];
        expect(tsc, `TSC ${n}`).toBeGreaterThan(oldAfter);
        expect(after, `second TSC ${n}`).toBeGreaterThan(tsc);
        expect(tsc).toBeGreaterThan(oldTsc);
        expect(hpet, `HPET ${n}`).toBeGreaterThanOrEqual(oldHpet);
        expect(pm, `PM timer ${n}`).toBeGreaterThanOrEqual(oldPm);
        // The clocks agree with each other within what one of their ticks is.
        expect(hpet + 10, `HPET after TSC ${n}`).toBeGreaterThan(tsc);
        expect(pm + PM_TICK_NS + 1, `PM timer after HPET ${n}`).toBeGreaterThan(hpet);
        expect(after + 1, `TSC after PM timer ${n}`).toBeGreaterThan(pm);
      }
      expect(await play(turnNs)).toEqual(log);
    },
    60_000,
  );
});
