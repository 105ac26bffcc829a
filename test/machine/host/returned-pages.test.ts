// Pages that a guest gave back: they are empty, and they are counted.
import { describe, expect, it } from 'vitest';
import { ReturnedPages } from '../../../src/machine/host/returned-pages.ts';
import { PlainMemory } from '../plain-memory.ts';

const PAGE = 4096;

describe('memory that a guest gave back', () => {
  const make = () => {
    const wrote: number[] = [];
    const memory = new PlainMemory(16 * PAGE);
    memory.bytes(0, 16 * PAGE).fill(0xa5, 0, 8 * PAGE);
    return { wrote, memory, pages: new ReturnedPages(memory, (pa) => wrote.push(pa)) };
  };

  it('is zero, and was written only where it was not', () => {
    const { wrote, memory, pages } = make();
    pages.inflate(7 * PAGE);
    pages.inflate(8 * PAGE);
    expect([wrote, memory.bytes(7 * PAGE, PAGE).every((byte) => byte === 0)]).toEqual([[7 * PAGE], true]);
    expect(memory.bytes(6 * PAGE, PAGE)[PAGE - 1]).toBe(0xa5);
  });

  it('counts until the balloon shrinks', () => {
    const { pages } = make();
    for (const page of [1, 2, 2]) pages.inflate(page * PAGE);
    expect(pages.figures()).toEqual({ ballooned: 2 * PAGE, reported: 0 });
    pages.deflate(PAGE);
    expect(pages.figures()).toEqual({ ballooned: PAGE, reported: 0 });
  });

  it('counts as reported until the guest writes there', () => {
    const { memory, pages } = make();
    pages.report(2 * PAGE, 4 * PAGE);
    expect(pages.figures()).toEqual({ ballooned: 0, reported: 4 * PAGE });
    memory.bytes(3 * PAGE, PAGE)[1000] = 1;
    expect(pages.figures().reported).toBe(3 * PAGE);
    memory.bytes(3 * PAGE, PAGE)[1000] = 0;
    expect(pages.figures().reported).toBe(3 * PAGE);
    pages.clear();
    expect(pages.figures()).toEqual({ ballooned: 0, reported: 0 });
  });
});
