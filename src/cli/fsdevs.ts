/** Kinds of shared folders, for -fsdev and -virtfs. */
import type { FileTree } from '../index.ts';
import type { DeviceRequest } from '../machine/board/device-table.ts';
import { type BackendRow, backend } from './backend-row.ts';
import type { PropertyList } from './properties.ts';
import { UsageError } from './usage-error.ts';

export const FSDEVS: Readonly<Record<string, BackendRow<FileTree>>> = {
  local: backend({
    about: 'a folder of the host',
    properties: {
      path: { kind: 'text', required: true },
      security_model: {
        kind: 'choice',
        choices: ['none', 'passthrough'],
        initial: 'none',
        about: 'whether the guest hears that an owner could not be changed',
      },
      readonly: { kind: 'flag', initial: false },
    },
    async open({ path, security_model, readonly }) {
      const { HostFolder } = await import('../node/folder.ts');
      return new HostFolder(path, { isReadOnly: readonly, reportsOwner: security_model === 'passthrough' });
    },
  }),
};

/** The device that -virtfs makes beside its -fsdev; takes the tag from the list. */
export function takeMountTag(list: PropertyList, fsdev: string): DeviceRequest {
  const tag = list.values.get('mount_tag');
  list.values.delete('mount_tag');
  if (!tag) throw new UsageError('-virtfs needs mount_tag=TAG');
  return { type: 'virtio-9p', fsdev, mount_tag: tag };
}
