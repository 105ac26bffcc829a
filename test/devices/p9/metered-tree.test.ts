// A tree that counts: what a message of a few bytes costs the host is charged to its queue.
import { expect, it } from 'vitest';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { MeteredTree } from '../../../src/devices/p9/metered-tree.ts';

it('charges each call by the folders on its way, and a list by its entries', () => {
  const tree = new MemoryTree();
  for (let n = 0; n < 100; n++) tree.put(`a/b/${n}`, 'x');
  const metered = new MeteredTree(tree);
  const workOf = (ask: () => unknown): number => {
    ask();
    return metered.takeWork();
  };
  const call = workOf(() => metered.stat([]));
  expect(call).toBeGreaterThan(0);
  expect(workOf(() => metered.stat(['a', 'b', '7']))).toBe(4 * call);
  expect(workOf(() => metered.list(['a', 'b']))).toBe(103 * call);
  expect(metered.takeWork()).toBe(0);
});

it('charges a tree that walks by itself for the whole way once', () => {
  const walking = Object.assign(new MemoryTree(), { walk: () => [] });
  const metered = new MeteredTree(walking);
  metered.stat([]);
  const call = metered.takeWork();
  metered.walk?.(['a'], ['b', 'c']);
  expect([metered.takeWork(), new MeteredTree(new MemoryTree()).walk]).toEqual([4 * call, undefined]);
});

it('charges names alone for less than the files that they are of', () => {
  const names = ['x', 'y', 'z'];
  const entries = () => names.map((name) => ({ name, id: 1n, mode: 0o100644 }));
  const metered = new MeteredTree(Object.assign(new MemoryTree(), { names: () => names, entries }));
  metered.stat([]);
  const call = metered.takeWork();
  metered.names?.(['a']);
  const named = metered.takeWork();
  expect([named > 2 * call, named < 3 * call]).toEqual([true, true]);
  metered.entries?.(['a'], names);
  expect(metered.takeWork()).toBe(5 * call);
  expect(new MeteredTree(new MemoryTree()).names).toBeUndefined();
});
