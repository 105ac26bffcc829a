/**
 * Which range answers at an address. Ranges may overlap: those that came first win, the others answer where they stick
 * out. Look-ups are a binary search, and mostly not even that.
 */
export interface Range {
  readonly base: number;
  readonly length: number;
}

interface Span<R> {
  start: number;
  end: number;
  range: R;
}

export class RangeMap<R extends Range> {
  #spans: Span<R>[] = [];
  #last: Span<R> | null = null;

  /** Takes `ranges`, the strongest first. */
  set(ranges: readonly R[]): void {
    const spans: Span<R>[] = [];
    for (const range of ranges) {
      const end = range.base + range.length;
      let start = range.base;
      const free: Span<R>[] = [];
      for (const span of spans) {
        if (span.end <= start) continue;
        if (span.start >= end) break;
        if (span.start > start) free.push({ start, end: span.start, range });
        start = span.end;
      }
      if (start < end) free.push({ start, end, range });
      spans.push(...free);
      spans.sort((a, b) => a.start - b.start);
    }
    this.#spans = spans;
    this.#last = null;
  }

  /** The range that answers at `address`. */
  find(address: number): R | null {
    const last = this.#last;
    if (last && address >= last.start && address < last.end) return last.range;
    const spans = this.#spans;
    let low = 0;
    let high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle].end <= address) low = middle + 1;
      else high = middle;
    }
    const found = spans[low];
    if (!found || address < found.start) return null;
    this.#last = found;
    return found.range;
  }
}
