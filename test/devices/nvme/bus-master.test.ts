// An NVMe controller that the guest has not made a bus master: it neither fetches commands nor answers.
import { expect, it } from 'vitest';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { NvmeFunction } from '../../../src/devices/nvme/nvme.ts';
import { PAGE, Reg } from '../../../src/devices/nvme/spec.ts';
import { Command, Config } from '../../../src/devices/pci/function.ts';

const READY = 1;
const FATAL = 2;
const CONTROL = 0x46_0001;

it.each([
  ['off, it fails and leaves memory alone', 0, READY | FATAL, 0],
  ['on, it answers', Command.BUS_MASTER, READY, 1],
])('with bus mastering %s', (_what, command, status, written) => {
  const all = new Uint8Array(4 * PAGE);
  const log: string[] = [];
  let writes = 0;
  const nvme = new NvmeFunction({
    memory: { size: all.length, bytes: (at, length) => all.subarray(at, at + length) },
    wrote: () => writes++,
    backend: ramDisk(new Uint8Array(512)),
    serial: '1',
    pairs: 1,
    defer: () => () => {},
    log: (line) => log.push(line),
  });
  nvme.connect({ place: () => {}, intx: () => {}, msi: () => {} });
  nvme.writeConfig(Config.COMMAND, 2, Command.MEMORY | command);
  const registers = nvme.ranges[0].range.device;
  const values: [number, number][] = [
    [Reg.AQA, 0x1_0001],
    [Reg.ASQ, PAGE],
    [Reg.ACQ, 2 * PAGE],
    [Reg.CC, CONTROL],
    [Reg.DOORBELLS, 1],
  ];
  for (const [register, value] of values) registers.write(register, 4, value);
  expect([registers.read(Reg.CSTS, 4), writes]).toEqual([status, written]);
  expect(log.join()).toMatch(command === 0 ? /nvme is no bus master/ : /^$/);
});
