/** A DHCP server (RFC 2131, options of RFC 2132) that gives each card an address of its own. */
import type { Saved } from '../../saved.ts';
import { get32, put16, put32 } from '../bytes.ts';
import type { Plan } from './options.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const Message = { DISCOVER: 1, OFFER: 2, REQUEST: 3, ACK: 5, NAK: 6, INFORM: 8 } as const;
const Option = {
  MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOSTNAME: 12,
  DOMAIN: 15,
  REQUESTED: 50,
  LEASE: 51,
  TYPE: 53,
  SERVER: 54,
  END: 255,
} as const;
const OPTIONS_AT = 240;
const COOKIE = 0x6382_5363;
const LEASE_SECONDS = 86_400;
/** A reply is padded to this: BOOTP's least, which some clients want. */
const LEAST_REPLY = 300;
const MOST_LEASES = 64;

/** Addresses by those of cards. */
export type Leases = { [mac: string]: number };

export class DhcpServer implements Saved<Leases> {
  readonly #plan: Plan;
  readonly #leases = new Map<string, number>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  save(): Leases {
    return Object.fromEntries(this.#leases);
  }

  load(leases: Leases): void {
    this.#leases.clear();
    for (const [mac, ip] of Object.entries(leases)) this.#leases.set(mac, ip);
  }

  /** The answer to a client's message; null where there is none to give. */
  answer(request: Uint8Array): Uint8Array | null {
    if (request.length < OPTIONS_AT || request[0] !== 1 || get32(request, 236) !== COOKIE) return null;
    const options = parseOptions(request);
    const address = this.#addressOf(request.subarray(28, 34));
    const type = options.get(Option.TYPE)?.[0];
    if (address === null) return null;
    switch (type) {
      case Message.DISCOVER:
        return this.#reply(request, Message.OFFER, address);
      case Message.REQUEST: {
        const server = ipOf(options.get(Option.SERVER));
        if (server !== null && server !== this.#plan.gateway) return null;
        const wanted = ipOf(options.get(Option.REQUESTED)) ?? get32(request, 12);
        return this.#reply(request, wanted === address ? Message.ACK : Message.NAK, address);
      }
      case Message.INFORM:
        return this.#reply(request, Message.ACK, 0);
      default:
        return null;
    }
  }

  /** Always the same address for the same card; null if there are no more. */
  #addressOf(mac: Uint8Array): number | null {
    const key = mac.join();
    const known = this.#leases.get(key);
    if (known !== undefined) return known;
    const { dhcpStart, subnet, gateway, dns } = this.#plan;
    const taken = new Set([...this.#leases.values(), gateway, dns]);
    const last = (subnet.address | ~subnet.mask) >>> 0;
    for (let ip = dhcpStart; ip < last && this.#leases.size < MOST_LEASES; ip++) {
      if (taken.has(ip)) continue;
      this.#leases.set(key, ip);
      return ip;
    }
    return null;
  }

  #reply(request: Uint8Array, type: number, address: number): Uint8Array {
    const { gateway, dns, subnet, hostname, domain, isRestricted } = this.#plan;
    const options: [code: number, value: Uint8Array][] = [
      [Option.TYPE, Uint8Array.of(type)],
      [Option.SERVER, ip(gateway)],
    ];
    if (type !== Message.NAK) {
      options.push([Option.MASK, ip(subnet.mask)]);
      if (!isRestricted) options.push([Option.ROUTER, ip(gateway)], [Option.DNS, ip(dns)]);
      if (address !== 0) options.push([Option.LEASE, ip(LEASE_SECONDS)]);
      for (const [code, text] of [
        [Option.HOSTNAME, hostname],
        [Option.DOMAIN, domain],
      ] as const) {
        if (text) options.push([code, new TextEncoder().encode(text).subarray(0, 255)]);
      }
    }
    const bytes = options.flatMap(([code, value]) => [code, value.length, ...value]);
    const reply = new Uint8Array(Math.max(LEAST_REPLY, OPTIONS_AT + bytes.length + 1));
    reply.set(request.subarray(0, 3));
    reply[0] = 2;
    reply.set(request.subarray(4, 8), 4);
    put16(reply, 10, (request[10] << 8) | request[11]);
    if (type !== Message.NAK) {
      reply.set(request.subarray(12, 16), 12);
      put32(reply, 16, address);
      put32(reply, 20, gateway);
    }
    reply.set(request.subarray(28, 44), 28);
    put32(reply, 236, COOKIE);
    reply.set(bytes, OPTIONS_AT);
    reply[OPTIONS_AT + bytes.length] = Option.END;
    return reply;
  }
}

function ip(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, value);
  return bytes;
}

const ipOf = (bytes: Uint8Array | undefined): number | null => (bytes?.length === 4 ? get32(bytes, 0) : null);

function parseOptions(request: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = OPTIONS_AT; at < request.length && request[at] !== Option.END; ) {
    if (request[at] === 0) {
      at++;
      continue;
    }
    const end = at + 2 + (request[at + 1] ?? 0);
    options.set(request[at], request.subarray(at + 2, end));
    at = end;
  }
  return options;
}
