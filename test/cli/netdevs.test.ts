// -netdev, -nic, hostfwd= and -object filter-dump: what the words mean, and what is said of those that mean nothing.
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openBackends } from '../../src/cli/backends.ts';
import { parseForward, withDumps } from '../../src/cli/netdevs.ts';
import { parseCommandLine } from '../../src/cli/options.ts';
import type { RunOptions } from '../../src/cli/run-options.ts';
import { fakeHost } from './fake-host.ts';

function parse(...args: string[]): RunOptions {
  const command = parseCommandLine(['-kernel', 'k', ...args]);
  if (command.kind !== 'run') throw new Error('this asks for help');
  return command.options;
}

const open = (...args: string[]) => openBackends(parse(...args).backends, fakeHost());

describe('hostfwd=', () => {
  it.each([
    ['tcp::2222-:22', { protocol: 'tcp', hostPort: 2222, guestPort: 22 }],
    [
      'udp:127.0.0.1:53-10.0.2.20:5353',
      { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 53, guestAddress: '10.0.2.20', guestPort: 5353 },
    ],
    [':127.0.0.1:80-:80', { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 80, guestPort: 80 }],
  ])('%s is understood', (rule, forward) => {
    expect(parseForward(rule)).toEqual(forward);
  });

  it.each([
    ['tcp::2222', /hostfwd=tcp::2222: the form is/],
    ['sctp::1-:1', /the form is/],
    ['tcp::99999-:22', /'99999' is not a number from 0 to 0xffff/],
    ['tcp::2222-:0', /'0' is not a number from 1/],
  ])('%s is refused', (rule, message) => {
    expect(() => parseForward(rule)).toThrow(message);
  });
});

describe('a network', () => {
  it('keeps every hostfwd= it was given', () => {
    const { backends, devices } = parse('-nic', 'user,hostfwd=tcp::0-:22,hostfwd=udp::0-:53,mac=52:54:00:00:00:07');
    expect(backends[0].values.hostfwd).toBe('tcp::0-:22\nudp::0-:53');
    expect(devices).toEqual([{ type: 'virtio-net', netdev: 'nic0', mac: '52:54:00:00:00:07' }]);
  });

  it('opens its forwarded ports, and closes them', async () => {
    const backends = await open('-netdev', 'user,id=n,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=udp:127.0.0.1:0-:53');
    expect(Object.keys(backends.netdevs ?? {})).toEqual(['n']);
    await backends.close();
  });

  it('says which port cannot be had', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(open('-netdev', `user,id=n,hostfwd=tcp:127.0.0.1:${port}-:22`)).rejects.toThrow(
      new RegExp(`cannot listen at 127.0.0.1:${port}`),
    );
    server.close();
  });

  it.each([
    ['user,id=n,net=10.0.2.0/31', /net '10.0.2.0\/31': the prefix must be/],
    ['user,id=n,dns=10.9.9.9', /dns '10.9.9.9' is no address within/],
    ['user,id=n,resolver=a:b', /resolver=a:b: 'b' is not a number/],
    ['socket,id=n', /needs listen= or connect=/],
    ['socket,id=n,listen=80', /listen=80: the form is/],
  ])('%s cannot be opened', async (value, message) => {
    await expect(open('-netdev', value)).rejects.toThrow(message);
  });
});

describe('-object filter-dump', () => {
  it('writes a network down in a file of its own', async () => {
    const host = fakeHost();
    const { dumps } = parse('-netdev', 'user,id=n', '-object', 'filter-dump,id=d,netdev=n,file=net.pcap,maxlen=96');
    const backends = await open('-netdev', 'user,id=n');
    const { netdevs, close } = withDumps(backends.netdevs ?? {}, dumps, host, 0);
    expect([Object.keys(netdevs), host.files.has('net.pcap')]).toEqual([['n'], true]);
    close();
    await backends.close();
  });

  it.each([
    ['tls-creds,id=a', /there are filter-dump/],
    ['filter-dump,id=d,file=f', /netdev= and file= are needed/],
    ['filter-dump,id=d,netdev=n,file=f,maxlen=0', /'0' is not a number from 1/],
  ])('%s is refused', (value, message) => {
    expect(() => parse('-object', value)).toThrow(message);
  });

  it('of no network is refused', () => {
    const dumps = [{ netdev: 'm', file: 'f', maxBytes: 1 }];
    expect(() => withDumps({}, dumps, fakeHost(), 0)).toThrow(/netdev 'm' does not exist; there are none/);
  });
});
