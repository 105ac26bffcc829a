/** Formats of disk images, for -drive format=. */
import type { BlkBackend } from '../index.ts';
import type { Filled, Properties } from '../machine/board/device-row.ts';
import { type BackendRow, backend } from './backend-row.ts';

/** What every format takes. */
const EVERY_FORMAT = {
  file: { kind: 'text', required: true, about: 'path of the image' },
  readonly: { kind: 'flag', initial: false },
  snapshot: { kind: 'flag', initial: false, about: 'writes are forgotten at the end' },
  cache: {
    kind: 'choice',
    choices: ['writeback', 'none', 'unsafe'],
    initial: 'writeback',
    about: 'unsafe: a flush does not wait for the medium; none is as writeback',
  },
  'file.locking': {
    kind: 'choice',
    choices: ['auto', 'on', 'off'],
    initial: 'auto',
    about: "QEMU's lock on the image; auto: where the host can",
  },
} as const satisfies Properties;

const WITH_SNAPSHOTS = {
  ...EVERY_FORMAT,
  'load-snapshot': { kind: 'text', about: 'an internal snapshot, to be read instead of the disk as it is' },
} as const satisfies Properties;

type Drive = Filled<typeof EVERY_FORMAT> & Partial<Filled<typeof WITH_SNAPSHOTS>>;

async function open(drive: Drive, format?: 'raw' | 'qcow2'): Promise<BlkBackend> {
  const { openDisk } = await import('../node/image-file.ts');
  return openDisk(drive.file, {
    format,
    isReadOnly: drive.readonly,
    isTemporary: drive.snapshot,
    isUnsafe: drive.cache === 'unsafe',
    snapshot: drive['load-snapshot'],
    locking: drive['file.locking'],
  });
}

export const DRIVES: Readonly<Record<string, BackendRow<BlkBackend>>> = {
  auto: backend({
    about: 'qcow2 where the image says so, raw otherwise',
    properties: WITH_SNAPSHOTS,
    open: (drive) => open(drive),
  }),
  raw: backend({ about: 'the bytes of the disk', properties: EVERY_FORMAT, open: (drive) => open(drive, 'raw') }),
  qcow2: backend({
    about: 'QEMU copy on write, versions 2 and 3, with backing files',
    properties: WITH_SNAPSHOTS,
    open: (drive) => open(drive, 'qcow2'),
  }),
};
