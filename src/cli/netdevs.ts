/** Kinds of networks, for -netdev and -nic; and -object filter-dump. */
import type { NetBackend } from '../index.ts';
import { dump } from '../net/pcap.ts';
import type { SocketAddress } from '../net/sockets.ts';
import type { HostForward } from '../net/user/options.ts';
import { type BackendRow, backend } from './backend-row.ts';
import type { CliHost } from './process.ts';
import { checkKeys, parseNumber, parseProperties } from './properties.ts';
import { UsageError } from './usage-error.ts';

const LOOPBACK = '127.0.0.1';
const LAST_PORT = 65535;
const DNS_PORT = 53;
const MOST_FRAME = 65550;

const text = (about: string) => ({ kind: 'text', about }) as const;

export const NETDEVS: Readonly<Record<string, BackendRow<NetBackend>>> = {
  user: backend({
    about: 'a gateway to the sockets of the host',
    properties: {
      net: text('the network, by default 10.0.2.0/24'),
      host: text('the gateway, by default the second address; it leads to the host itself'),
      dns: text('the name server, by default the third address'),
      dhcpstart: text('the first address that DHCP gives, by default the fifteenth'),
      hostname: text('the name that DHCP tells the guest'),
      domainname: text('the domain that DHCP tells the guest'),
      restrict: { kind: 'flag', initial: false, about: 'only forwarded ports lead out of the guest' },
      resolver: text("where names are resolved: ADDRESS or ADDRESS:PORT; the host's own if absent"),
      hostfwd: { kind: 'text', repeats: true, about: 'tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT, any number of times' },
    },
    async open({ dhcpstart, domainname, resolver, hostfwd, ...rest }) {
      const { UserNet } = await import('../net/user/user-net.ts');
      const { nodeSockets } = await import('../node/sockets.ts');
      return UserNet.create(
        {
          ...rest,
          dhcpStart: dhcpstart,
          domain: domainname,
          resolver: resolver === undefined ? undefined : parseAddress('resolver', resolver, LOOPBACK, DNS_PORT),
          forwards: hostfwd?.split('\n').map(parseForward) ?? [],
        },
        nodeSockets(),
      );
    },
  }),
  socket: backend({
    about: 'a cable to another process, which may be a QEMU',
    properties: {
      listen: text('waits for the other end: [ADDRESS]:PORT'),
      connect: text('connects with the other end: [ADDRESS]:PORT'),
    },
    async open({ listen, connect }, host) {
      if ((listen === undefined) === (connect === undefined)) {
        throw new UsageError('-netdev socket needs listen= or connect=, and not both');
      }
      const { SocketNet } = await import('../node/socket-net.ts');
      const log = (line: string): void => host.error(`vmlaunch: ${line}\n`);
      return listen === undefined
        ? SocketNet.connect(parseAddress('connect', connect as string, LOOPBACK), log)
        : SocketNet.listen(parseAddress('listen', listen, LOOPBACK), log);
    },
  }),
};

/** QEMU's `tcp:[hostaddr]:hostport-[guestaddr]:guestport`. Throws UsageError if it is not of this form. */
export function parseForward(rule: string): HostForward {
  const match = /^(?:(tcp|udp)?:)?([^:]*):(\d+)-([^:]*):(\d+)$/.exec(rule);
  if (!match) throw new UsageError(`hostfwd=${rule}: the form is tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT`);
  const [, protocol = 'tcp', hostAddress, hostPort, guestAddress, guestPort] = match;
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    hostAddress: hostAddress || undefined,
    hostPort: parseNumber(`hostfwd=${rule}`, hostPort, 0, LAST_PORT),
    guestAddress: guestAddress || undefined,
    guestPort: parseNumber(`hostfwd=${rule}`, guestPort, 1, LAST_PORT),
  };
}

/** `[ADDRESS]:PORT`, and `ADDRESS` alone if there is a port to fall back on. */
function parseAddress(key: string, value: string, address: string, port?: number): SocketAddress {
  const [before, after] = value.split(':');
  const number = after ?? port?.toString();
  if (number === undefined) throw new UsageError(`${key}=${value}: the form is [ADDRESS]:PORT`);
  return { address: before || address, port: parseNumber(`${key}=${value}`, number, 1, LAST_PORT) };
}

/** -object filter-dump,id=ID,netdev=ID,file=FILE[,maxlen=N] */
export interface DumpRequest {
  netdev: string;
  file: string;
  maxBytes: number;
}

export function parseObject(value: string): DumpRequest {
  const list = parseProperties('object', value);
  if (list.name !== 'filter-dump') throw new UsageError(`-object ${list.name}: there is filter-dump`);
  checkKeys('object', list, ['id', 'netdev', 'file', 'maxlen']);
  const [netdev, file, maxlen] = ['netdev', 'file', 'maxlen'].map((key) => list.values.get(key));
  if (!netdev || !file) throw new UsageError(`-object ${value}: netdev= and file= are needed`);
  const maxBytes =
    maxlen === undefined ? MOST_FRAME : parseNumber('-object filter-dump,maxlen=', maxlen, 1, MOST_FRAME);
  return { netdev, file, maxBytes };
}

/** The networks, those of `dumps` with their frames written down. Throws UsageError for one that does not exist. */
export function withDumps(
  netdevs: Readonly<Record<string, NetBackend>>,
  dumps: readonly DumpRequest[],
  host: CliHost,
  start: number,
): { netdevs: Record<string, NetBackend>; close(): void } {
  const all = { ...netdevs };
  const files: { close(): void }[] = [];
  for (const { netdev, file, maxBytes } of dumps) {
    if (!Object.hasOwn(all, netdev)) {
      throw new UsageError(
        `-object filter-dump: netdev '${netdev}' does not exist; there are ${Object.keys(all).join(', ') || 'none'}`,
      );
    }
    const target = host.openFile(file);
    files.push(target);
    all[netdev] = dump(all[netdev], (bytes) => target.write(bytes), { start, maxBytes });
  }
  const close = (): void => {
    for (const file of files) file.close();
  };
  return { netdevs: all, close };
}
