// Shared folders on the command line.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openBackends } from '../../src/cli/backends.ts';
import { parseCommandLine } from '../../src/cli/options.ts';
import { fakeHost } from './fake-host.ts';

const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-fsdev-'));
writeFileSync(join(folder, 'file'), 'contents');
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (...args: string[]) => {
  const command = parseCommandLine(args);
  if (command.kind !== 'run') throw new Error(command.kind);
  return command.options;
};

describe('a shared folder', () => {
  it('is a -virtfs, or a -fsdev and a device', async () => {
    const short = parse('-virtfs', `local,path=${folder},mount_tag=t,security_model=none,readonly=on`);
    expect(short.devices).toEqual([{ type: 'virtio-9p', fsdev: 'virtfs0', mount_tag: 't' }]);
    const long = parse(
      '-fsdev',
      `local,id=f,path=${folder},security_model=passthrough`,
      '-device',
      'virtio-9p-pci,fsdev=f,mount_tag=t',
    );
    expect(long.devices).toEqual([{ type: 'virtio-9p-pci', fsdev: 'f', mount_tag: 't' }]);
    const { folders = {} } = await openBackends([...short.backends, ...long.backends], fakeHost());
    expect(Object.entries(folders).map(([id, { isReadOnly }]) => [id, isReadOnly])).toEqual([
      ['virtfs0', true],
      ['f', false],
    ]);
    expect(folders.f.list([]).map(({ name }) => name)).toEqual(['file']);
  });

  it.each([
    [['-virtfs', 'local,path=/tmp'], '-virtfs needs mount_tag=TAG'],
    [['-virtfs', 'proxy,mount_tag=t'], '-fsdev proxy: there are local'],
    [['-fsdev', 'local,path=/tmp'], 'id= is missing'],
    [['-fsdev', 'local,id=f'], 'needs path='],
    [
      ['-fsdev', 'local,id=f,path=/,security_model=mapped'],
      "security_model=: 'mapped' is not one of none, passthrough",
    ],
  ])('is refused: %j', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });

  it('must exist', async () => {
    const { backends } = parse('-virtfs', 'local,path=/nowhere/at/all,mount_tag=t');
    await expect(openBackends(backends, fakeHost())).rejects.toThrow('/nowhere/at/all is no folder');
  });
});
