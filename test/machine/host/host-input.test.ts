// Everything that reaches a machine from outside comes in by a door, and is stamped with the instructions retired by then.
import { describe, expect, it } from 'vitest';
import type { BlkBackend } from '../../../src/devices/backends.ts';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { VirtioBlk } from '../../../src/devices/virtio/blk.ts';
import type { VirtioConsole } from '../../../src/devices/virtio/console.ts';
import type { VirtioDevice } from '../../../src/devices/virtio/device.ts';
import type { VirtioGpu } from '../../../src/devices/virtio/gpu.ts';
import type { DeviceContext } from '../../../src/machine/board/device-context.ts';
import { findDevice } from '../../../src/machine/board/device-table.ts';
import type { VirtioKeyboard } from '../../../src/machine/board/rows/input.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { HostInput, type InputEntry } from '../../../src/machine/state/host-input.ts';
import { HostRandom } from '../../../src/machine/state/random.ts';
import type { NetCard } from '../../../src/net/backend.ts';
import { UserNet } from '../../../src/net/user/user-net.ts';
import { MmioDriver } from '../../devices/virtio/mmio-driver.ts';
import { FakeHost } from '../../net/user/fake-host.ts';

/** jmp $ */
const FOREVER = Uint8Array.of(0xeb, 0xfe);

async function machineWith(options: Partial<MachineOptions>): Promise<{ machine: Machine; entries: InputEntry[] }> {
  const machine = await Machine.create({
    kernel: FOREVER,
    flat: { address: 0x1000, mode: 16 },
    memory: '4M',
    ...options,
  });
  const entries: InputEntry[] = [];
  machine.record((entry) => entries.push(entry));
  return { machine, entries };
}
const doorsOf = (entries: readonly InputEntry[]): string[] => [...new Set(entries.map(({ door }) => door))];

describe('the door of a machine', () => {
  it('shows what the embedder does, each with the instruction at which it came in', async () => {
    const { machine, entries } = await machineWith({
      devices: [
        { type: 'virtio-keyboard', id: 'keys' },
        { type: 'virtio-gpu', id: 'screen' },
        { type: 'virtio-balloon' },
        { type: 'virtio-serial', id: 'serial' },
        { type: 'virtserialport', name: 'agent' },
        { type: 'vhost-vsock' },
      ],
    });
    await machine.run({ instructions: 1000 });
    machine.send('hello');
    machine.keyboard.press('KeyA');
    machine.mouse.move(3, 4);
    machine.mouse.down(1);
    machine.powerButton();
    machine.balloon.target(1 << 20);
    machine.balloon.askStatistics();
    machine.port('agent').send('to the guest');
    const connection = machine.vsock.connect(9);
    connection.send(Uint8Array.of(1));
    connection.destroy();
    (machine.device('keys') as VirtioKeyboard).key('KeyB', true);
    (machine.device('screen') as VirtioGpu).resize(800, 600);
    (machine.device('serial') as VirtioConsole).resize(100, 30);
    expect(doorsOf(entries)).toEqual([
      'serial',
      'keyboard',
      'mouse.move',
      'mouse.button',
      'power-button',
      'balloon.target',
      'balloon.statistics',
      'port[agent]',
      'vsock.connect',
      'vsock',
      'virtio-keyboard[0].report',
      'virtio-gpu[0].resize',
      'virtio-serial[0].resize',
    ]);
    expect(new Set(entries.map(({ at }) => at))).toEqual(new Set([1000]));
    expect(entries[0]).toEqual({ at: 1000, door: 'serial', data: [0, new TextEncoder().encode('hello')] });
    await machine.run({ instructions: 500 });
    machine.send('!');
    expect(entries.at(-1)?.at).toBe(1500);
  });

  it('shows frames of a network of the embedder, and the cable', async () => {
    let card: NetCard | undefined;
    const net = { takesOffload: false, attach: (own: NetCard) => void (card = own), send: () => {} };
    const { entries } = await machineWith({
      devices: [{ type: 'virtio-net', netdev: 'n' }],
      netdevs: { n: net },
    });
    card?.receive(new Uint8Array(60).fill(1));
    card?.setLink(false);
    expect(entries).toEqual([
      { at: 0, door: 'virtio-net[0].frame', data: [new Uint8Array(60).fill(1), null] },
      { at: 0, door: 'virtio-net[0].link', data: [false] },
    ]);
  });

  it("shows the host's side of the user-mode network, but not its frames, which follow from that", async () => {
    const sockets = new FakeHost();
    const net = await UserNet.create({}, sockets);
    await net.forward({ protocol: 'tcp', hostAddress: '', hostPort: 80, guestAddress: '', guestPort: 80 });
    const { machine, entries } = await machineWith({
      devices: [{ type: 'virtio-net', netdev: 'n' }],
      netdevs: { n: net },
    });
    sockets.listeners[0].accept({ address: '127.0.0.1', port: 1234 });
    sockets.streams[0].events.data(Uint8Array.of(1, 2));
    sockets.streams[0].events.failed('reset');
    expect(
      entries.filter(({ door }) => !door.endsWith('buffered')).map(({ door, data }) => [door, data.at(-1)]),
    ).toEqual([
      ['virtio-net[0].tcp.accept', { address: '127.0.0.1', port: 1234 }],
      ['virtio-net[0].tcp', Uint8Array.of(1, 2)],
      ['virtio-net[0].tcp', 'reset'],
    ]);
    expect(machine.report.instructions).toBe(0);
  });

  it('lets in what an entry says, as the outside would', () => {
    const heard: unknown[] = [];
    const input = new HostInput(() => 7);
    const say = input.door('a', (word: string) => void heard.push(word));
    expect(() => input.enter('b', [])).toThrow("there is no door 'b'");
    const entries: InputEntry[] = [];
    input.record((entry) => entries.push(entry));
    say('from outside');
    input.record(null);
    say('unheard of');
    for (const { door, data } of entries) input.enter(door, data);
    expect(heard).toEqual(['from outside', 'unheard of', 'from outside']);
    expect(entries).toEqual([{ at: 7, door: 'a', data: ['from outside'] }]);
  });

  it("shows answers of disks that come later, of folders, and of the host's own entropy", async () => {
    const input = new HostInput(() => 5);
    const entries: InputEntry[] = [];
    input.record((entry) => entries.push(entry));
    let finish = (): void => {};
    const slow: BlkBackend = {
      capacity: 4096,
      isReadOnly: false,
      read: () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
      write: () => {},
      flush: () => {},
      discard: () => {},
      writeZeroes: () => {},
    };
    const disk = new MmioDriver(new VirtioBlk(slow, { doors: input })).up();
    const header = disk.ram.put(new Array(16).fill(0));
    disk.request(0, [header, disk.ram.room(512), disk.ram.room(1)]);
    expect(entries).toEqual([]);
    finish();
    await new Promise((resolve) => setTimeout(resolve));
    const made = (type: string, properties: Record<string, string>): MmioDriver => {
      let device: VirtioDevice | undefined;
      const attachVirtio = (one: VirtioDevice): void => void (device = one);
      const links = { folder: () => new MemoryTree(), random: new HostRandom() };
      const context = { links, doors: input, attachVirtio } as unknown as DeviceContext;
      findDevice(type)?.create(context, properties, type);
      return new MmioDriver(device as VirtioDevice).up();
    };
    const folder = made('virtio-9p', { fsdev: 'f', mount_tag: 'tag' });
    const version = [21, 0, 0, 0, 100, 255, 255, 0, 32, 0, 0, 8, 0, ...new TextEncoder().encode('9P2000.L')];
    folder.request(0, [folder.ram.put(version), folder.ram.room(100)]);
    const entropy = made('virtio-rng', {});
    const room = entropy.ram.room(8);
    entropy.request(0, [room]);
    expect(entries).toEqual([
      { at: 5, door: 'answer', data: [0, 0] },
      { at: 5, door: 'answer', data: [Uint8Array.of(21, 0, 0, 0, 101, ...version.slice(5))] },
      { at: 5, door: 'bytes', data: [Uint8Array.from(entropy.ram.at(room))] },
    ]);
  });
});
