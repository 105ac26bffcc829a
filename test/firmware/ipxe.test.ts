// Debian's iPXE as a kernel: an image for real mode only, which lives on the firmware's services up to its network.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { UserNet } from '../../src/net/user/user-net.ts';
import { nodeSockets } from '../../src/node/sockets.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { debianPackage } from '../linux/debian.ts';

const SLICE = 50_000_000;
const MOST_SLICES = 40;

it('iPXE shows its banner and asks the network for an address', async () => {
  const source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
  const kernel = new Uint8Array(readFileSync(join(debianPackage('ipxe'), 'boot/ipxe.lkrn')));
  const machine = await Machine.create({
    source,
    kernel,
    netdevs: { net: await UserNet.create({ restrict: true }, nodeSockets()) },
    devices: [{ type: 'virtio-net', netdev: 'net' }],
  });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  for (let slice = 0; slice < MOST_SLICES && !output.includes('Configuring (net0'); slice++) {
    expect((await machine.run({ instructions: SLICE })).reason).toBe('limit');
  }
  expect(output).toContain('-- Open Source Network Boot Firmware -- http://ipxe.org\r\n');
  expect(output).toContain('net0: 52:54:00:12:34:56 using virtio-net');
  expect(output).toContain('Configuring (net0 52:54:00:12:34:56)');
}, 900_000);
