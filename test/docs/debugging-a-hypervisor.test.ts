// The commands of docs/debugging-a-hypervisor.md print what the page says.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { command } from '../../src/cli/command.ts';
import { fakeHost } from '../cli/fake-host.ts';
import { withoutNumbers } from '../package/examples.ts';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/debugging-a-hypervisor.md', root), 'utf8');
const examples = [...page.matchAll(/```console\n\$ npx vmlaunch (.*)\n([\s\S]*?)```/g)].map(
  ([, line, output]) => [line, output.trimEnd().split('\n')] as const,
);

it('the page has commands', () => {
  expect(examples.length).toBeGreaterThan(4);
});

it.each(examples)('vmlaunch %s prints what the page shows', async (line, lines) => {
  const files = Object.fromEntries(
    [...line.matchAll(/-kernel (\S+)/g)].map(([, path]) => [path, readFileSync(new URL(path, root))]),
  );
  const host = fakeHost(files);
  await command(line.split(' '), host);
  // How long things take, how often they happen and at which address is not a promise.
  const plain = (text: string): string =>
    withoutNumbers(text.replace(/\b(0x[0-9a-f]{5,}|[0-9a-f]{16})\b/g, '0')).replace(/ +/g, ' ');
  const printed = `${host.output}\n${host.errors}`.split('\n').map(plain);
  for (const shown of lines) if (shown !== '...') expect(printed).toContain(plain(shown));
});
