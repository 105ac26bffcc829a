// Debian's kernel with a disk, a network and entropy, moved to another machine again and again while it boots.
import { beforeAll, describe, expect, it } from 'vitest';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { Machine } from '../../src/machine/machine.ts';
import { UserNet } from '../../src/net/user/user-net.ts';
import { FakeHost } from '../net/user/fake-host.ts';
import { initramfs, kernelModules, prepareSoftware, type Software } from './guest.ts';

/** Instructions between two moves. To be lowered by hand for more of them. */
const STEP = 250_000_000;
const MOST = 4e9;

let software: Software;
beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

async function life(vcpus: number, step: number) {
  const { files, load } = kernelModules(software, ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio-rng']);
  const init = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /dev
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
${load}
dd if=/dev/zero of=/dev/vda bs=1M count=4; sync; md5sum /dev/vda
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ping -c 3 10.0.2.2
head -c 4096 /dev/hwrng | md5sum; sleep 1; cat /proc/interrupts
poweroff -f
`;
  const drives = { d: ramDisk(new Uint8Array(8 << 20).fill(7)) };
  let output = '';
  const make = async (): Promise<Machine> => {
    const machine = await Machine.create({
      memory: '128M',
      vcpus,
      source: software.source,
      kernel: software.kernel,
      append: 'console=ttyS0 panic=-1 cryptomgr.notests',
      modules: [{ bytes: initramfs(software, init, files), commandLine: '' }],
      drives,
      netdevs: { n: await UserNet.create({}, new FakeHost()) },
      devices: [{ type: 'virtio-blk', drive: 'd' }, { type: 'virtio-net', netdev: 'n' }, { type: 'virtio-rng' }],
    });
    machine.on('console', (text) => {
      output += text;
    });
    return machine;
  };
  let machine = await make();
  for (let moves = 0; ; moves++) {
    const outcome = await machine.run({ instructions: step });
    const { instructions, virtualSeconds } = machine.report;
    if (outcome.reason !== 'limit' || instructions > MOST)
      return { outcome, output, instructions, virtualSeconds, moves };
    const state = structuredClone(await machine.save());
    machine = await make();
    machine.load(state);
  }
}

describe('Linux', () => {
  it.each([1, 2])(
    'boots on after each move, to the same output at the same instruction: %i processors',
    async (vcpus) => {
      const { moves: none, ...stays } = await life(vcpus, MOST);
      const { moves, ...moved } = await life(vcpus, STEP);
      expect(moved).toEqual(stays);
      expect([none, moves > 1]).toEqual([0, true]);
      expect(stays.outcome).toEqual({ reason: 'powered-off' });
      expect(stays.output).toContain('3 packets received');
    },
    900_000,
  );
});
