// What an embedder has an end of: ports, balloon, sockets, folders, entropy and the guest's panic.
import { describe, expect, it } from 'vitest';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import type { DeviceSpec } from '../../../src/machine/board/device-table.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { MachineOptions } from '../../../src/machine/options.ts';
import { HostRandom, randomFor } from '../../../src/machine/state/random.ts';
import { type FakeInstruction, fakeCore, forever } from '../fake-core.ts';

const BASE = 0xfeb0_0000;
const CONFIG = 0x100;

async function machineWith(
  devices: DeviceSpec[],
  options: Partial<MachineOptions> = {},
  program: FakeInstruction[] = [],
) {
  const fake = fakeCore([...program, forever]);
  const machine = await Machine.create({
    kernel: Uint8Array.of(0),
    flat: { address: 0, mode: 16 },
    memory: '1M',
    devices,
    createCore: fake.createCore,
    ...options,
  });
  return { machine, bus: fake.core().bus };
}

describe('ports', () => {
  it('are those behind their virtio-serial, consoles from number 0 on and channels from 1', async () => {
    const { machine, bus } = await machineWith([
      { type: 'virtio-serial-device' },
      { type: 'virtserialport', name: 'a' },
      { type: 'virtio-serial-device' },
      { type: 'virtconsole' },
      { type: 'virtserialport', name: 'b' },
    ]);
    const ports = [0, 1].map((slot) => bus.mmioRead(BASE + 0x200 * slot + CONFIG + 4, 4));
    expect(ports).toEqual([2, 2]);
    expect(['a', 'b', 'hvc0'].map((name) => machine.port(name).isOpen)).toEqual([false, false, false]);
    expect(() => machine.port('c')).toThrow("port 'c' does not exist; there are a, hvc0, b");
  });

  it('are one console where nothing else is said, and the console of a chardev', async () => {
    const written: Uint8Array[] = [];
    const chardevs = { c: { write: (bytes: Uint8Array) => written.push(bytes), connect: () => () => {} } };
    const { machine, bus } = await machineWith(
      [{ type: 'virtio-serial-device' }, { type: 'virtio-serial-device', chardev: 'c' }],
      { chardevs },
    );
    const heard: Uint8Array[] = [];
    machine.port('hvc0').on('data', (bytes) => heard.push(bytes));
    for (const slot of [0, 1]) bus.mmioWrite(BASE + 0x200 * slot + CONFIG + 8, 4, 0x41 + slot);
    expect([heard, written]).toEqual([[Uint8Array.of(0x41)], [Uint8Array.of(0x42)]]);
  });

  it.each([
    [[{ type: 'virtserialport', name: 'a' }], /virtserialport: there is no virtio-serial before it/],
    [[{ type: 'virtio-serial-device' }, { type: 'virtserialport' }], /virtserialport: it needs a name or a chardev/],
    [[{ type: 'virtio-serial-device' }, { type: 'virtconsole', chardev: 'x' }], /chardev 'x' does not exist/],
  ])('are refused as %o', async (devices, message) => {
    await expect(machineWith(devices as DeviceSpec[])).rejects.toThrow(message);
  });
});

describe('the balloon', () => {
  it('asks for the rest of memory, again after a reset', async () => {
    let resets = 0;
    const reset: FakeInstruction = (bus) => {
      if (resets++ === 0) bus.portOut(0xcf9, 1, 6);
    };
    const { machine, bus } = await machineWith([{ type: 'virtio-balloon-device' }], { reboot: true }, [reset]);
    machine.balloon.target(256 << 10);
    const wanted = (): number => bus.mmioRead(BASE + CONFIG, 4);
    expect(wanted()).toBe(192);
    await machine.run({ instructions: 5 });
    expect([wanted(), machine.report.balloon]).toMatchObject([192, { target: 256 << 10, actual: 0, ballooned: 0 }]);
    expect(() => machine.balloon.target(2 << 20)).toThrow('balloon target 2097152 is not possible: 0 to 1048576 bytes');
  });

  it('offers what its properties say, and statistics always', async () => {
    const offered = async (spec: object): Promise<number> => {
      const { bus } = await machineWith([{ type: 'virtio-balloon-device', ...spec }]);
      return bus.mmioRead(BASE + 0x10, 4) & 0x3f;
    };
    expect(await offered({})).toBe(0b001010);
    expect(await offered({ 'deflate-on-oom': true, 'free-page-reporting': true })).toBe(0b101110);
  });

  it('must be there', async () => {
    const { machine } = await machineWith([]);
    expect(() => machine.balloon.target(0)).toThrow('no balloon: add the device virtio-balloon');
    expect(machine.report.balloon).toBeUndefined();
  });
});

describe('sockets', () => {
  it('know the context of the guest and listen once per port', async () => {
    const { machine, bus } = await machineWith([{ type: 'vhost-vsock-device', 'guest-cid': 42 }]);
    expect(bus.mmioRead(BASE + CONFIG, 4)).toBe(42);
    const stop = machine.vsock.listen(5, () => {});
    expect(() => machine.vsock.listen(5, () => {})).toThrow('vsock port 5 is taken');
    stop();
    machine.vsock.listen(5, () => {});
    expect(() => machine.vsock.connect(-1)).toThrow('vsock port -1 is not possible');
    expect(machine.vsock.connect(7).guestPort).toBe(7);
  });

  it('must be there to connect', async () => {
    const { machine } = await machineWith([]);
    expect(() => machine.vsock.connect(5)).toThrow('no sockets: add the device vhost-vsock');
  });
});

it.each(['virtio-balloon', 'vhost-vsock'] as const)('a machine has one %s at most', async (name) => {
  const devices: DeviceSpec[] = [{ type: `${name}-device` }, { type: `${name}-device` }];
  await expect(machineWith(devices)).rejects.toThrow(`device ${name}: a machine has one at most`);
});

describe('a shared folder', () => {
  it('shows its tag', async () => {
    const folders = { f: new MemoryTree() };
    const { bus } = await machineWith([{ type: 'virtio-9p-device', fsdev: 'f', mount_tag: 'abc' }], { folders });
    expect(bus.mmioRead(BASE + CONFIG, 4)).toBe(0x62610003);
  });

  it("bears the machine's time, and not the host's", async () => {
    const folders = { f: new MemoryTree() };
    const date = new Date(Date.UTC(2030, 5, 1));
    await machineWith([{ type: 'virtio-9p-device', fsdev: 'f', mount_tag: 'abc' }], { folders, date });
    folders.f.put('file', 'x');
    expect(folders.f.stat(['file']).modified).toBe(BigInt(date.getTime()) * 1_000_000n);
  });

  it('must be one of those that are there', async () => {
    const devices: DeviceSpec[] = [{ type: 'virtio-9p-device', fsdev: 'g', mount_tag: 'abc' }];
    await expect(machineWith(devices)).rejects.toThrow("fsdev 'g' does not exist; there are none");
  });
});

describe('entropy', () => {
  const bytes = (options: Parameters<typeof randomFor>[0]): string => {
    const into = new Uint8Array(32);
    randomFor(options).fill(into);
    return into.join();
  };

  it('follows the seed, and is the same for equal runs', () => {
    expect(bytes({})).toBe(bytes({ seed: 0 }));
    expect(bytes({ seed: 1 })).toBe(bytes({ seed: 1, clock: 'host' }));
    expect(bytes({ seed: 1 })).not.toBe(bytes({ seed: 2 }));
  });

  it("comes from the host where time is the host's", () => {
    expect(bytes({ clock: 'host' })).not.toBe(bytes({ clock: 'host' }));
  });

  it('reaches every processor, for RDRAND: another for each, by the seed', async () => {
    const given = async (seed: number) => {
      const all: (bigint | undefined)[] = [];
      const { createCore } = fakeCore([forever]);
      await Machine.create({
        kernel: Uint8Array.of(0),
        flat: { address: 0, mode: 16 },
        memory: '1M',
        seed,
        vcpus: 2,
        createCore: (options) => {
          all.push(options.entropy);
          return createCore(options);
        },
      });
      return all;
    };
    const [first, again, other] = [await given(1), await given(1), await given(2)];
    expect(first).toEqual(again);
    expect(new Set([...first, ...other]).size).toBe(4);
    expect(first).not.toContain(undefined);
  });

  it('is spread over all values', () => {
    const into = new Uint8Array(1 << 16);
    randomFor({ seed: 7 }).fill(into);
    const counts = new Array<number>(256).fill(0);
    for (const byte of into) counts[byte]++;
    expect(Math.min(...counts)).toBeGreaterThan(180);
    expect(Math.max(...counts)).toBeLessThan(340);
  });

  it('fills more than the host gives at once', () => {
    const into = new Uint8Array(200_000);
    new HostRandom().fill(into);
    for (const at of [0, 70_000, 140_000]) expect(into.subarray(at, at + 1000).some((byte) => byte > 0)).toBe(true);
  });
});

describe('pvpanic', () => {
  it('ends the run when the guest says that it panicked', async () => {
    const panic: FakeInstruction = (bus) => {
      expect(bus.portIn(0x505, 1)).toBe(3);
      bus.portOut(0x505, 1, 1);
    };
    const { machine } = await machineWith([{ type: 'pvpanic' }], { reboot: true }, [panic]);
    expect(await machine.run({ instructions: 10 })).toEqual({ reason: 'panicked' });
  });

  it('tells of a crash kernel, and goes on', async () => {
    const crash: FakeInstruction = (bus) => bus.portOut(0x505, 1, 2);
    const { machine } = await machineWith([{ type: 'pvpanic' }], {}, [crash]);
    const log: string[] = [];
    machine.on('log', (line) => log.push(line));
    expect(await machine.run({ instructions: 10 })).toEqual({ reason: 'limit' });
    expect(log).toEqual(['the guest panicked and runs its crash kernel']);
  });
});
