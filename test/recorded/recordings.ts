/**
 * The recordings of real processors: the committed subsets, and the whole sets where they lie beside the repository; and
 * the processor model that has to do as each of them did.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export interface Recording {
  /** Who made the processor. */
  readonly vendor: string;
  readonly cpu: string;
  readonly subset: string;
  /** The subset holds every so manieth case of a form. */
  readonly step: number;
  readonly whole: string;
}

export const RECORDINGS: readonly Recording[] = [
  { vendor: 'AMD', cpu: 'EPYC-Genoa', subset: here('./data'), step: 4, whole: here('../../../shared/vectors/public') },
  { vendor: 'Intel', cpu: 'max', subset: here('./data/intel'), step: 16, whole: here('../../../shared/vectors/intel') },
];

/** The folders of a recording that are at hand. */
export function setsOf({ subset, whole }: Recording): { title: string; folder: string }[] {
  const sets = [{ title: 'the committed subset', folder: subset }];
  return existsSync(whole) ? [...sets, { title: 'the whole recording', folder: whole }] : sets;
}

/** Paths of the vector files in a folder. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.vec.gz'))
    .map((name) => join(folder, name));
}
