/** Formats of disk images, for -drive format=. */
import type { BlkBackend } from '../index.ts';
import type { Properties } from '../machine/device-row.ts';
import type { BackendRow } from './backend-row.ts';

/** What every format takes. */
export const DRIVE_PROPERTIES = {
  file: { kind: 'text', required: true, about: 'path of the image' },
  readonly: { kind: 'flag', initial: false },
  snapshot: { kind: 'flag', initial: false, about: 'writes are forgotten at the end' },
} as const satisfies Properties;

export const DRIVES: Readonly<Record<string, BackendRow<BlkBackend>>> = {};
