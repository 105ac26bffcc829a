/** Formats of disk images, for -drive format=. */
import type { BlkBackend } from '../index.ts';
import type { Properties } from '../machine/board/device-row.ts';
import { type BackendRow, backend } from './backend-row.ts';

/** What every format takes. */
export const DRIVE_PROPERTIES = {
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

interface Drive {
  file: string;
  readonly: boolean;
  snapshot: boolean;
  cache: string;
  'file.locking': 'auto' | 'on' | 'off';
  'load-snapshot'?: string;
}

const LOAD_SNAPSHOT = {
  'load-snapshot': { kind: 'text', about: 'an internal snapshot, to be read instead of the disk as it is' },
} as const satisfies Properties;

function row(format: 'raw' | 'qcow2' | undefined, about: string, properties: Properties): BackendRow<BlkBackend> {
  return backend({
    about,
    properties,
    async open(filled) {
      const { openDisk } = await import('../node/image-file.ts');
      const drive = filled as unknown as Drive;
      return openDisk(drive.file, {
        format,
        isReadOnly: drive.readonly,
        isTemporary: drive.snapshot,
        isUnsafe: drive.cache === 'unsafe',
        snapshot: drive['load-snapshot'],
        locking: drive['file.locking'],
      });
    },
  });
}

export const DRIVES: Readonly<Record<string, BackendRow<BlkBackend>>> = {
  auto: row(undefined, 'qcow2 where the image says so, raw otherwise', LOAD_SNAPSHOT),
  raw: row('raw', 'the bytes of the disk', {}),
  qcow2: row('qcow2', 'QEMU copy on write, versions 2 and 3, with backing files', LOAD_SNAPSHOT),
};
