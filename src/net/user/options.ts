/** What a user-mode network is made of, in the words of QEMU's `-netdev user`, and the addresses that follow. */
import {
  check,
  checkList,
  checkOptions,
  isFlag,
  isInteger,
  isObject,
  isOneOf,
  isOptional,
  isPort,
  isText,
} from '../../checks.ts';
import { isWithin, parseIp, parseSubnet, type Subnet } from '../addresses.ts';
import type { SocketAddress } from '../sockets.ts';

/** A port of the host that leads to one of the guest. */
export interface HostForward {
  protocol: 'tcp' | 'udp';
  /** All addresses of the host if absent. */
  hostAddress?: string;
  /** 0 for any that is free. */
  hostPort: number;
  /** The first address that DHCP gives if absent. */
  guestAddress?: string;
  guestPort: number;
}

export interface UserNetOptions {
  /** The network as `10.0.2.0/24`. */
  net?: string;
  /** The gateway, which is also the host's own loopback: `10.0.2.2`. */
  host?: string;
  /** The name server: `10.0.2.3`. */
  dns?: string;
  /** The first address that DHCP gives: `10.0.2.15`. */
  dhcpStart?: string;
  /** The guest's name and domain, told by DHCP. */
  hostname?: string;
  domain?: string;
  /** The guest is cut off from the host and from the world, but for forwarded ports. */
  restrict?: boolean;
  forwards?: readonly HostForward[];
  /** The name server that `dns` stands for; the host's own if absent. */
  resolver?: SocketAddress;
}

const isForward = isObject([], {
  protocol: isOneOf('tcp', 'udp'),
  hostAddress: isOptional(isText),
  hostPort: isPort,
  guestAddress: isOptional(isText),
  guestPort: isInteger(1, 65535),
});
const OPTIONS = {
  net: isText,
  host: isText,
  dns: isText,
  dhcpStart: isText,
  hostname: isText,
  domain: isText,
  restrict: isFlag,
  forwards: (): null => null,
  resolver: isObject([], { address: isText, port: isPort }),
};

/** Throws RangeError for a port that cannot be forwarded. */
export function checkForward(what: string, forward: unknown): void {
  check(what, forward, isForward);
}

/** Throws RangeError for options of no known name or a wrong kind; their sense is `makePlan`'s to see. */
export function checkUserNet(options: UserNetOptions): void {
  checkOptions('UserNet.create', options, OPTIONS);
  if (options.forwards !== undefined) checkList('UserNet.create: forwards', options.forwards, checkForward);
}

export interface Plan {
  subnet: Subnet;
  gateway: number;
  dns: number;
  dhcpStart: number;
  hostname?: string;
  domain?: string;
  isRestricted: boolean;
}

/** The addresses of a network. Throws RangeError if they do not fit it. */
export function makePlan(options: UserNetOptions): Plan {
  const subnet = parseSubnet(options.net ?? '10.0.2.0/24', 'net');
  const within = (key: 'host' | 'dns' | 'dhcpStart', index: number): number => {
    const text = options[key];
    const ip = text === undefined ? subnet.address + index : parseIp(text, key);
    const last = (subnet.address | ~subnet.mask) >>> 0;
    if (!isWithin(ip, subnet) || ip === subnet.address || ip === last) {
      throw new RangeError(`${key} '${text ?? index}' is no address within the network ${options.net}`);
    }
    return ip;
  };
  const plan = {
    subnet,
    gateway: within('host', 2),
    dns: within('dns', 3),
    dhcpStart: within('dhcpStart', subnet.mask === 0xffff_fff0 ? 4 : 15),
    hostname: options.hostname,
    domain: options.domain,
    isRestricted: options.restrict ?? false,
  };
  if (new Set([plan.gateway, plan.dns, plan.dhcpStart]).size < 3) {
    throw new RangeError('host, dns and dhcpStart must be three addresses');
  }
  return plan;
}
