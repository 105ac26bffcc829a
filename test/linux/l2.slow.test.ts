// Linux in Linux: Debian's kernel as the guest of Debian's KVM in our processor, under a monitor of some 150 lines.
import { expect, it } from 'vitest';
import { statTables } from '../../src/cli/vmexits.ts';
import type { Machine } from '../../src/index.ts';
import { boot, prepareSoftware } from './guest.ts';
import { INNER_SAYS, L2_MEMORY, linuxInLinux } from './l2.ts';

it.each(['Skylake-Client', 'Penryn'])(
  'an L2 guest on %s boots to its init',
  async (cpu) => {
    const software = await prepareSoftware();
    const { init, files } = linuxInLinux(software);
    let machine: Machine | undefined;
    const { output, outcome } = await boot(software, init, 'quiet', files, {
      options: { cpu, memory: L2_MEMORY },
      instructions: 30e9,
      onCreate: (made) => {
        machine = made;
      },
    });
    console.log(statTables(machine?.report.exits ?? [], 1));
    expect(output).toMatch(INNER_SAYS);
    expect(outcome).toEqual({ reason: 'powered-off' });
  },
  3_000_000,
);
