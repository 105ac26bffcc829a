// Every way a driver can lie is a GuestError, never a host exception or a hang.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestError } from '../../../src/devices/virtio/guest-memory.ts';
import { PackedQueue } from '../../../src/devices/virtio/packed-queue.ts';
import type { QueueLayout, Virtqueue } from '../../../src/devices/virtio/queue.ts';
import { SplitQueue } from '../../../src/devices/virtio/split-queue.ts';
import { Flag, type PackedRing, packedRig, RAM_BYTES, type SplitRing, splitRig, TestRam } from './driver.ts';

const SEED = 20261122;
const { NEXT, WRITE, INDIRECT } = Flag;
const part = { gpa: 0x100n, length: 16 };
const table = { gpa: 0x40000n, length: 32 };

function refuses(queue: Virtqueue, message: RegExp): void {
  expect(() => queue.pop()).toThrow(GuestError);
  expect(() => queue.pop()).toThrow(message);
}

const splitLies: [string, (ring: SplitRing) => void, RegExp][] = [
  ['a chain that loops', (r) => r.describe(0, part, NEXT, 0), /loops/],
  ['a next index past the table', (r) => r.describe(0, part, NEXT, 9), /descriptor 9 is past the table of 8/],
  ['a head past the table', (r) => r.ram.set16(r.layout.driver + 4n, 8), /descriptor 8 is past/],
  ['a buffer outside RAM', (r) => r.describe(0, { gpa: 0x7fff8n, length: 16 }, 0, 0), /0x7fff8\+16 is outside RAM/],
  ['a buffer beyond every address', (r) => r.describe(0, { gpa: 2n ** 64n - 8n, length: 16 }, 0, 0), /outside RAM/],
  ['a length of 4 GiB less one', (r) => r.describe(0, { gpa: 0n, length: 0xffffffff }, 0, 0), /outside RAM/],
  ['an available index that jumps', (r) => r.ram.set16(r.layout.driver + 2n, 9), /jumps from 0 to 9/],
  ['an indirect table outside RAM', (r) => r.describe(0, { gpa: 0x80000n, length: 16 }, INDIRECT, 0), /outside RAM/],
  ['an indirect table of no bytes', (r) => r.describe(0, { gpa: 0x100n, length: 0 }, INDIRECT, 0), /0 bytes/],
  ['an indirect table of 24 bytes', (r) => r.describe(0, { gpa: 0x100n, length: 24 }, INDIRECT, 0), /24 bytes/],
  ['an indirect descriptor with a next one', (r) => r.describe(0, table, INDIRECT | NEXT, 1), /has a next one/],
  [
    'an indirect table inside another',
    (r) => {
      r.describe(0, table, INDIRECT, 0);
      r.describe(0, table, INDIRECT, 0, table.gpa);
    },
    /inside an indirect table/,
  ],
  [
    'an indirect chain that loops',
    (r) => {
      r.describe(0, table, INDIRECT, 0);
      r.describe(0, part, NEXT, 0, table.gpa);
    },
    /loops/,
  ],
  [
    'an indirect chain of more descriptors than anybody needs',
    (r) => {
      r.describe(0, { gpa: 0x40000n, length: 16 * 2000 }, INDIRECT, 0);
      for (let at = 0; at < 2000; at++) r.describe(at, part, NEXT, at + 1, 0x40000n);
    },
    /more than 1024/,
  ],
  [
    'a readable buffer after a writable one',
    (r) => {
      r.describe(0, part, NEXT | WRITE, 1);
      r.describe(1, part, 0, 0);
    },
    /readable buffer after a writable/,
  ],
];

describe('a split ring', () => {
  it.each(splitLies)('is refused for %s', (_what, lie, message) => {
    const { ring, queue } = splitRig();
    ring.avail(0);
    lie(ring);
    refuses(queue, message);
  });

  it('is refused for a chain that is available while it is in use', () => {
    const { ring, queue } = splitRig();
    ring.describe(3, part, 0, 0);
    ring.avail(3);
    ring.avail(3);
    queue.pop();
    expect(() => queue.pop()).toThrow(/chain 3 is available while it is in use/);
  });

  it('is refused for an indirect descriptor that was not negotiated', () => {
    const { ring, queue } = splitRig({ indirect: false });
    ring.describe(0, table, INDIRECT, 0);
    ring.avail(0);
    refuses(queue, /not negotiated/);
  });

  it('keeps to the descriptors as they were when the driver changes them later', () => {
    const { ram, ring, queue } = splitRig();
    ring.offer([ram.put([1, 2, 3])]);
    const chain = queue.pop()!;
    ring.describe(0, { gpa: 2n ** 63n, length: 0xffffffff }, 0, 0);
    expect([...chain.read(100)]).toEqual([1, 2, 3]);
    queue.push(chain, 0);
  });

  it('is refused when the device itself was made to overwrite the available index', () => {
    const { ring, queue } = splitRig();
    ring.offer([{ gpa: ring.layout.driver, length: 4, writable: true }]);
    const chain = queue.pop()!;
    chain.write(Uint8Array.of(0, 0, 0x34, 0x12));
    queue.push(chain, 4);
    refuses(queue, /jumps from 1 to 4660/);
  });
});

const packedLies: [string, (ring: PackedRing) => void, RegExp][] = [
  [
    'a chain without end',
    (r) => {
      for (let slot = 0; slot < 8; slot++) r.raw(part, 0, NEXT);
    },
    /runs into descriptors in use/,
  ],
  ['a buffer outside RAM', (r) => r.raw({ gpa: 0x7fff8n, length: 16 }, 0, 0), /outside RAM/],
  ['an indirect descriptor in a chain', (r) => r.raw(table, 0, INDIRECT | NEXT), /part of a chain/],
  ['an indirect table of 8 bytes', (r) => r.raw({ gpa: 0x100n, length: 8 }, 0, INDIRECT), /8 bytes/],
  ['an indirect table of 2000', (r) => r.raw({ gpa: 0x100n, length: 32000 }, 0, INDIRECT), /2000 descriptors/],
  [
    'an indirect table inside another',
    (r) => {
      r.raw(table, 0, INDIRECT);
      r.ram.describe(table.gpa, 1, 0n, 16, 0, INDIRECT);
    },
    /inside an indirect table/,
  ],
  [
    'a readable buffer after a writable one',
    (r) => {
      r.raw(part, 0, NEXT | WRITE);
      r.raw(part, 0, 0);
    },
    /readable buffer after a writable/,
  ],
];

describe('a packed ring', () => {
  it.each(packedLies)('is refused for %s', (_what, lie, message) => {
    const { ring, queue } = packedRig();
    lie(ring);
    refuses(queue, message);
  });

  it('is refused for a buffer ID that is in use', () => {
    const { ring, queue } = packedRig();
    ring.raw(part, 5, 0);
    ring.raw(part, 5, 0);
    queue.pop();
    expect(() => queue.pop()).toThrow(/chain 5 is available while it is in use/);
  });

  it('never takes more descriptors than it has', () => {
    const { ring, queue } = packedRig({ size: 2 });
    ring.raw(part, 0, 0);
    ring.raw(part, 1, 0);
    queue.pop();
    queue.pop();
    ring.ram.set16(ring.layout.desc + 14n, Flag.USED);
    queue.beginTurn();
    expect(queue.pop()).toBeNull();
  });
});

const layouts: [string, Partial<QueueLayout>, RegExp, RegExp][] = [
  ['no places', { size: 0 }, /queue size 0/, /queue size 0/],
  ['65536 places', { size: 65536 }, /queue size 65536/, /queue size 65536/],
  ['descriptors that are not aligned', { desc: 0x1008n }, /not aligned to 16/, /not aligned to 16/],
  ['descriptors outside RAM', { desc: 2n ** 63n }, /outside RAM/, /outside RAM/],
  ['descriptors half outside RAM', { desc: BigInt(RAM_BYTES - 64) }, /outside RAM/, /outside RAM/],
  ['a driver area outside RAM', { driver: BigInt(RAM_BYTES) }, /outside RAM/, /outside RAM/],
  ['a device area that is not aligned', { device: 0x9002n }, /not aligned to 4/, /not aligned to 4/],
];

describe('a queue', () => {
  const make = (Queue: typeof SplitQueue | typeof PackedQueue, change: Partial<QueueLayout>) => () => {
    const layout = { size: 8, desc: 0x1000n, driver: 0x5000n, device: 0x9000n, ...change };
    return new Queue({ memory: new TestRam().device, layout, indirect: true, eventIdx: true, interrupt: () => {} });
  };

  it.each(layouts)('with %s is refused', (_what, change, split, packed) => {
    expect(make(SplitQueue, change)).toThrow(split);
    expect(make(PackedQueue, change)).toThrow(packed);
    expect(make(SplitQueue, change)).toThrow(GuestError);
  });

  it('of 24 places is refused as a split ring alone', () => {
    expect(make(SplitQueue, { size: 24 })).toThrow(/power of two/);
    expect(make(PackedQueue, { size: 24 })).not.toThrow();
  });
});

describe.each([
  ['a split ring', splitRig],
  ['a packed ring', packedRig],
])('%s of noise', (_name, rig) => {
  const descriptor = fc.record({
    gpa: fc.oneof(fc.bigInt(0n, BigInt(RAM_BYTES)), fc.bigInt(0n, 2n ** 64n - 1n), fc.constant(0x1000n)),
    length: fc.oneof(
      fc.integer({ min: 0, max: 64 }).map((n) => 16 * n),
      fc.nat(0xffffffff),
    ),
    third: fc.oneof(fc.nat(8), fc.nat(0xffff)),
    fourth: fc.oneof(fc.nat(8), fc.constantFrom(0x80, 0x81, 0x82, 0x84), fc.nat(0xffff)),
  });
  const noise = fc.record({
    descriptors: fc.array(descriptor, { minLength: 8, maxLength: 16 }),
    driver: fc.array(fc.oneof(fc.nat(8), fc.nat(0xffff)), { minLength: 12, maxLength: 12 }),
    written: fc.uint8Array({ minLength: 0, maxLength: 64 }),
    eventIdx: fc.boolean(),
  });

  it('ends in chains within RAM or in a GuestError, after bounded work', () => {
    let chains = 0;
    let errors = 0;
    const property = fc.property(noise, ({ descriptors, driver, written, eventIdx }) => {
      const { ram, ring, queue } = rig({ eventIdx });
      const { desc, driver: area } = ring.layout;
      for (const [at, d] of descriptors.entries()) ram.describe(desc, at, d.gpa, d.length, d.third, d.fourth);
      for (const [at, value] of driver.entries()) ram.set16(area + BigInt(2 * at), value);
      try {
        for (let taken = 0, chain = queue.pop(); chain; chain = queue.pop(), taken++) {
          expect(taken).toBeLessThan(8);
          for (const { gpa, length } of chain.buffers) expect(gpa + BigInt(length)).toBeLessThanOrEqual(RAM_BYTES);
          chain.read(64);
          queue.push(chain, chain.write(written));
          chains++;
        }
      } catch (error) {
        if (!(error instanceof GuestError)) throw error;
        errors++;
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 1500 });
    expect(chains).toBeGreaterThan(50);
    expect(errors).toBeGreaterThan(50);
  });
});
