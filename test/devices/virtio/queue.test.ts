// Both ring formats as an honest driver uses them: chains in, chains out, who is told when.
import { describe, expect, it } from 'vitest';
import type { Chain } from '../../../src/devices/virtio/chain.ts';
import { packedRig, splitRig } from './driver.ts';

const formats = [
  ['a split ring', splitRig],
  ['a packed ring', packedRig],
] as const;

describe.each(formats)('%s', (_name, rig) => {
  it.each([false, true])('hands out readable bytes and takes written ones (indirect: %s)', (indirect) => {
    const { ram, ring, queue, interrupts } = rig();
    const room = [ram.room(3), ram.room(4)];
    const id = ring.offer([ram.put([1, 2, 3]), ram.put([4, 5]), ...room], { indirect });
    const chain = queue.pop() as Chain;
    expect([chain.readable, chain.writable]).toEqual([5, 7]);
    expect([...chain.read(4)]).toEqual([1, 2, 3, 4]);
    expect([...chain.read(9)]).toEqual([5]);
    expect(chain.write(Uint8Array.of(10, 11, 12, 13))).toBe(4);
    expect(chain.write(Uint8Array.of(14, 15, 16, 17))).toBe(3);
    expect(room.map((part) => ram.at(part))).toEqual([
      [10, 11, 12],
      [13, 14, 15, 16],
    ]);
    queue.push(chain, 7);
    expect(ring.used()).toEqual([{ id, written: 7 }]);
    expect(interrupts()).toBe(1);
    expect(queue.pop()).toBeNull();
  });

  it('goes around many times, with chains of every length', () => {
    const { ram, ring, queue } = rig({ size: 8 });
    const part = ram.put([7]);
    for (let round = 0; round < 100; round++) {
      const id = ring.offer(Array.from({ length: 1 + (round % 5) }, () => part));
      const chain = queue.pop() as Chain;
      expect([chain.id, chain.readable]).toEqual([id, 1 + (round % 5)]);
      queue.push(chain, 0);
      queue.beginTurn();
      expect(ring.used()).toEqual([{ id, written: 0 }]);
    }
  });

  it('takes chains back in another order than it gave them', () => {
    const { ram, ring, queue } = rig();
    const ids = [1, 2, 3].map((length) => ring.offer([ram.room(length)]));
    const chains = ids.map(() => queue.pop() as Chain);
    for (const chain of chains.toReversed()) queue.push(chain, chain.writable);
    expect(ring.used()).toEqual(ids.map((id, at) => ({ id, written: at + 1 })).toReversed());
  });

  it('tells which guest memory the device changed', () => {
    const { ram, ring, queue } = rig();
    const [first, second] = [ram.room(16), ram.room(16)];
    ring.offer([first, second]);
    const chain = queue.pop() as Chain;
    ram.wrote.length = 0;
    queue.push(chain, chain.write(new Uint8Array(20)));
    expect(ram.wrote).toEqual(
      expect.arrayContaining([
        [Number(first.gpa), 16],
        [Number(second.gpa), 4],
      ]),
    );
  });

  it('ends a turn after as many chains as it has places, though the driver goes on', () => {
    const { ram, ring, queue } = rig({ size: 4 });
    const part = ram.put([1]);
    for (let i = 0; i < 4; i++) {
      ring.offer([part]);
      queue.push(queue.pop() as Chain, 0);
      ring.used();
    }
    ring.offer([part]);
    expect([queue.pop(), queue.isExhausted]).toEqual([null, true]);
    queue.beginTurn();
    expect(queue.pop()).not.toBeNull();
  });

  it('ends a turn after 4 MiB', () => {
    const { ram, ring, queue } = rig({ size: 256 });
    const whole = { gpa: 0n, length: ram.size };
    for (let i = 0; i < 200; i++) ring.offer([whole]);
    let bytes = 0;
    for (let chain = queue.pop(); chain; chain = queue.pop()) bytes += chain.readable;
    expect([bytes, queue.isExhausted]).toEqual([4 << 20, true]);
  });

  it('does long work in pieces, over as many turns as it takes, before any other chain', () => {
    let pieces = 0;
    const step = (chain: Chain): boolean => {
      queue.charge(1 << 20);
      if (++pieces < 10) return true;
      queue.push(chain, 0);
      return false;
    };
    const { ram, ring, queue } = rig({ size: 8, step });
    for (let i = 0; i < 2; i++) ring.offer([ram.room(4)]);
    const chain = queue.pop() as Chain;
    const piecesOfTurns: number[] = [];
    queue.work(chain, null);
    for (;;) {
      piecesOfTurns.push(pieces);
      expect(queue.pop()).toBeNull();
      queue.beginTurn();
      if (queue.resume()) break;
    }
    expect([piecesOfTurns, pieces, ring.used().length]).toEqual([[4, 8], 10, 1]);
    expect(queue.pop()).not.toBeNull();
  });

  it('forgets the rest of long work when it is reset', () => {
    let pieces = 0;
    const step = (): boolean => {
      pieces++;
      queue.charge(4 << 20);
      return true;
    };
    const { ram, ring, queue } = rig({ step });
    ring.offer([ram.room(4)]);
    queue.work(queue.pop() as Chain, null);
    queue.kill();
    queue.beginTurn();
    expect([queue.resume(), pieces]).toEqual([true, 1]);
  });

  it('tells the work of all queues to whoever counts it', () => {
    let work = 0;
    const { ram, ring, queue } = rig({ charge: (bytes) => void (work += bytes) });
    ring.offer([ram.room(1000)]);
    queue.pop();
    expect(work).toBeGreaterThanOrEqual(1000);
  });

  it('forgets chains that are in flight when it is reset, and leaves their memory alone', () => {
    const { ram, ring, queue, interrupts } = rig();
    const room = ram.room(4);
    ring.offer([room]);
    const chain = queue.pop() as Chain;
    queue.kill();
    queue.push(chain, chain.write(Uint8Array.of(1, 2, 3, 4)));
    expect([ring.used(), interrupts(), queue.pop()]).toEqual([[], 0, null]);
    expect(ram.at(room)).toEqual([0, 0, 0, 0]);
  });
});

describe('a split ring', () => {
  it('may have direct descriptors before an indirect table', () => {
    const { ram, ring, queue } = splitRig();
    const table = ram.room(32);
    ring.describe(0, ram.put([1]), 1, 1);
    ring.describe(1, { ...table, writable: true }, 4, 0);
    ring.describe(0, ram.put([2]), 1, 1, table.gpa);
    ring.describe(1, ram.room(5), 0, 0, table.gpa);
    ring.avail(0);
    const chain = queue.pop() as Chain;
    expect([[...chain.read(9)], chain.writable]).toEqual([[1, 2], 5]);
  });

  it('stays silent while VIRTQ_AVAIL_F_NO_INTERRUPT is set', () => {
    const { ram, ring, queue, interrupts } = splitRig();
    const part = ram.put([1]);
    ring.offer([part]);
    ring.offer([part]);
    ram.set16(ring.layout.driver, 1);
    queue.push(queue.pop() as Chain, 0);
    expect(interrupts()).toBe(0);
    ram.set16(ring.layout.driver, 0);
    queue.push(queue.pop() as Chain, 0);
    expect(interrupts()).toBe(1);
  });

  it('interrupts with event index when used_event is passed, over the wrap of the index too', () => {
    const { ram, ring, queue, interrupts } = splitRig({ eventIdx: true });
    const part = ram.put([1]);
    ring.setUsedEvent(0xffff);
    const told: number[] = [];
    for (let count = 1; count <= 0x10002; count++) {
      ring.offer([part]);
      queue.beginTurn();
      queue.push(queue.pop() as Chain, 0);
      if (interrupts() > told.length) told.push(count);
    }
    expect(told).toEqual([0x10000]);
  });

  it('asks by avail_event for the next chain when it found no more', () => {
    const { ram, ring, queue } = splitRig({ eventIdx: true });
    const part = ram.put([1]);
    for (let i = 0; i < 3; i++) ring.offer([part]);
    for (let i = 0; i < 3; i++) queue.push(queue.pop() as Chain, 0);
    expect(ring.availEvent).toBe(0);
    expect(queue.pop()).toBeNull();
    expect(ring.availEvent).toBe(3);
  });

  it('asks for no notifications by VIRTQ_USED_F_NO_NOTIFY', () => {
    const { ram, ring, queue } = splitRig();
    queue.wantNotifications(false);
    expect(ram.get16(ring.layout.device)).toBe(1);
    queue.wantNotifications(true);
    expect(ram.get16(ring.layout.device)).toBe(0);
  });
});

describe('a packed ring', () => {
  it('may have any size', () => {
    const { ram, ring, queue } = packedRig({ size: 5 });
    for (let round = 0; round < 20; round++) {
      const id = ring.offer([ram.put([round]), ram.room(1)]);
      const chain = queue.pop() as Chain;
      expect([...chain.read(1)]).toEqual([round]);
      queue.push(chain, 1);
      queue.beginTurn();
      expect(ring.used()).toEqual([{ id, written: 1 }]);
    }
  });

  it('stays silent while the driver disabled events', () => {
    const { ram, ring, queue, interrupts } = packedRig();
    ring.offer([ram.put([1])]);
    ram.set16(ring.layout.driver + 2n, 1);
    queue.push(queue.pop() as Chain, 0);
    expect(interrupts()).toBe(0);
  });

  it('interrupts at the descriptor that the driver named, in the round that it named', () => {
    const { ram, ring, queue, interrupts } = packedRig({ size: 4, eventIdx: true });
    const part = ram.put([1]);
    ram.set16(ring.layout.driver, 1);
    ram.set16(ring.layout.driver + 2n, 2);
    const seen: number[] = [];
    for (let slot = 0; slot < 12; slot++) {
      ring.offer([part]);
      queue.beginTurn();
      queue.push(queue.pop() as Chain, 0);
      ring.used();
      seen.push(interrupts());
    }
    expect(seen).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('asks by the device event suppression for the next chain when it found no more', () => {
    const { ram, ring, queue } = packedRig({ size: 4, eventIdx: true });
    ring.offer([ram.put([1])]);
    queue.push(queue.pop() as Chain, 0);
    expect(queue.pop()).toBeNull();
    expect([ram.get16(ring.layout.device), ram.get16(ring.layout.device + 2n)]).toEqual([0x8001, 2]);
  });
});
