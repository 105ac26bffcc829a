/**
 * The list of cases that are left out because they are one vendor's behaviour: `[{ file, index, reason }]`.
 */

export interface Exclusion {
  file: string;
  index: number;
  reason: string;
}

/** Parses a list; throws an Error that names `name` where an entry lacks a file, an index or a reason. */
export function parseExclusions(json: string, name: string): Exclusion[] {
  const list: unknown = JSON.parse(json);
  if (!Array.isArray(list)) throw new Error(`${name}: a list of { file, index, reason } is expected`);
  return list.map((entry: Partial<Exclusion>, k) => {
    const { file, index, reason } = entry;
    if (typeof file === 'string' && typeof index === 'number' && typeof reason === 'string' && reason !== '') {
      return { file, index, reason };
    }
    throw new Error(`${name}: entry ${k} is not { file, index, reason }: ${JSON.stringify(entry)}`);
  });
}

/** The indices to leave out of one file. */
export function excludedIndices(list: readonly Exclusion[], file: string): Set<number> {
  return new Set(list.filter((e) => e.file === file).map((e) => e.index));
}
