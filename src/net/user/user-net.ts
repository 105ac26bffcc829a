/**
 * The user-mode network: a gateway with DHCP and DNS on the guest's side and plain sockets on the host's, so that a guest
 * has a network without any right on the host. Addresses and options are those of QEMU's `-netdev user`.
 */
import { check, isObject } from '../../checks.ts';
import type { Plain } from '../../saved.ts';
import { BROADCAST_IP, formatIp, isWithin, parseIp } from '../addresses.ts';
import type { NetBackend, NetCard, Offload } from '../backend.ts';
import { get16 } from '../bytes.ts';
import type { HostDatagrams, HostSockets, Listener, SocketAddress } from '../sockets.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpServer, type Leases } from './dhcp.ts';
import { echoReply, isEchoRequest, quoteOf, timeExceeded, Unreachable, unreachable } from './icmp.ts';
import { Lan, type LanState } from './lan.ts';
import { checkForward, checkUserNet, type HostForward, makePlan, type Plan, type UserNetOptions } from './options.ts';
import {
  EtherType,
  isSumRight,
  makeDatagram,
  type Packet,
  Protocol,
  parseArp,
  parsePacket,
  UDP_BYTES,
} from './packet.ts';
import { parseSegment } from './segment.ts';
import { TcpNat, type TcpState } from './tcp-nat.ts';
import { type Endpoint, UdpNat, type UdpState } from './udp-nat.ts';

const DNS_PORT = 53;
const LOOPBACK = '127.0.0.1';
const LEAST_FRAME = 14;

export type UserNetState = { lan: LanState; tcp: TcpState; udp: UdpState; dhcp: Leases };

export class UserNet implements NetBackend {
  readonly takesOffload = true;
  readonly usesDoors = true;
  readonly #plan: Plan;
  readonly #sockets: HostSockets;
  readonly #resolver: SocketAddress | undefined;
  readonly #lan: Lan;
  readonly #tcp: TcpNat;
  readonly #udp: UdpNat;
  readonly #forwards: (Listener | HostDatagrams)[] = [];
  #dhcp: DhcpServer;
  #stopExpecting = (): void => {};

  /** Makes the network and opens its forwarded ports. Throws RangeError, or what the host says of a port. */
  static async create(options: UserNetOptions, sockets: HostSockets): Promise<UserNet> {
    checkUserNet(options);
    check('UserNet.create: sockets', sockets, isObject(['connect', 'listen', 'datagrams', 'bindDatagrams', 'after']));
    const net = new UserNet(options, sockets);
    try {
      for (const forward of options.forwards ?? []) await net.forward(forward);
    } catch (error) {
      net.close();
      throw error;
    }
    return net;
  }

  private constructor(options: UserNetOptions, sockets: HostSockets) {
    this.#plan = makePlan(options);
    this.#sockets = sockets;
    this.#resolver = options.resolver;
    this.#lan = new Lan(this.#plan.gateway);
    const say =
      (code: number) =>
      (quote: Packet): void =>
        this.#sendIcmp(quote, unreachable(quote, code));
    this.#tcp = new TcpNat(sockets, this.#lan, say(Unreachable.HOST));
    this.#dhcp = new DhcpServer(this.#plan);
    this.#udp = new UdpNat({
      sockets,
      host: () => this.#card.host,
      deliver: (from, to, data) => this.#sendUdp(from, to, data),
      refused: say(Unreachable.PORT),
    });
  }

  /** Leads a port of the host to the guest. Returns the host's port. */
  async forward(forward: HostForward): Promise<number> {
    checkForward('UserNet.forward', forward);
    const { protocol, hostAddress, hostPort, guestAddress, guestPort } = forward;
    const guest = { ip: guestAddress ? parseIp(guestAddress) : this.#plan.dhcpStart, port: guestPort };
    const at = { address: hostAddress || '0.0.0.0', port: hostPort };
    const knownAs = (address: string): number => this.#knownAs(address);
    const nat = protocol === 'tcp' ? this.#tcp : this.#udp;
    const listener = await nat.forward(at, guest, knownAs);
    this.#forwards.push(listener);
    return listener.port;
  }

  attach(card: NetCard): void {
    this.#tcp.attach(card);
    this.#udp.attach(card);
    this.#dhcp = new DhcpServer(this.#plan);
    this.#lan.reset(card);
    this.#stopExpecting();
    this.#stopExpecting = this.#forwards.length > 0 ? card.host.expect() : () => {};
  }

  save(): UserNetState {
    return { lan: this.#lan.save(), tcp: this.#tcp.save(), udp: this.#udp.save(), dhcp: this.#dhcp.save() };
  }

  /** Streams go on where the host can do that; datagrams from other ports. */
  load(_card: NetCard, state: Plain): void {
    const { lan, tcp, udp, dhcp } = state as UserNetState;
    this.#lan.load(lan);
    this.#tcp.load(tcp);
    this.#udp.load(udp);
    this.#dhcp.load(dhcp);
  }

  send(frame: Uint8Array, offload?: Offload): void {
    if (frame.length < LEAST_FRAME) return;
    const type = get16(frame, 12);
    if (type === EtherType.ARP) this.#arp(frame);
    else if (type === EtherType.IPV4) this.#ip(frame, offload);
  }

  flush(): void {
    this.#tcp.flush();
  }

  ready(): void {
    if (this.#lan.flushHeld()) this.#tcp.ready();
  }

  close(): void {
    this.#stopExpecting();
    for (const forward of this.#forwards.splice(0)) forward.close();
    this.#tcp.reset();
    this.#udp.reset();
  }

  get #card(): NetCard {
    if (!this.#lan.card) throw new Error('the network is not plugged into a card');
    return this.#lan.card;
  }

  #arp(frame: Uint8Array): void {
    const arp = parseArp(frame);
    if (!arp) return;
    const { gateway, dns, subnet } = this.#plan;
    if (isWithin(arp.sender, subnet)) this.#lan.learn(arp.sender, frame);
    if (arp.isRequest && (arp.target === gateway || arp.target === dns)) {
      this.#lan.answerArp(arp.target, frame, arp.sender);
    }
  }

  #ip(frame: Uint8Array, offload?: Offload): void {
    const fragment = parsePacket(frame);
    if (!fragment) return;
    if (isWithin(fragment.source, this.#plan.subnet)) this.#lan.learn(fragment.source, frame);
    const packet = this.#lan.reassemble(fragment);
    if (!packet) return;
    const { destination, protocol, ttl } = packet;
    const isOurs = destination === this.#plan.gateway || destination === this.#plan.dns;
    if (protocol === Protocol.UDP) this.#udpFromGuest(packet, offload);
    else if (!isOurs && ttl <= 1) this.#sendIcmp(packet, timeExceeded(packet));
    else if (protocol === Protocol.TCP) this.#tcpFromGuest(packet, offload);
    else if (protocol === Protocol.ICMP && isEchoRequest(packet.payload)) {
      if (isOurs) this.#sendIcmp(packet, echoReply(packet.payload), destination);
      else this.#sendIcmp(packet, unreachable(packet, Unreachable.PROHIBITED));
    }
  }

  #tcpFromGuest(packet: Packet, offload?: Offload): void {
    const segment = parseSegment(packet);
    if (!segment || !isSumRight(packet, offload)) return;
    this.#tcp.receive(packet, segment, this.#leadsTo(packet.destination, segment.destination));
  }

  #udpFromGuest(packet: Packet, offload?: Offload): void {
    const { payload, source, destination } = packet;
    if (payload.length < UDP_BYTES) return;
    const [from, to] = [get16(payload, 0), get16(payload, 2)];
    const length = get16(payload, 4);
    if (length < UDP_BYTES || length > payload.length) return;
    const hasSum = get16(payload, 6) !== 0;
    if (hasSum && !isSumRight({ ...packet, payload: payload.subarray(0, length) }, offload)) return;
    const data = payload.subarray(UDP_BYTES, length);
    const { gateway, subnet } = this.#plan;
    const isForUs = destination === BROADCAST_IP || destination === gateway;
    if (to === DHCP_SERVER_PORT && isForUs) {
      this.#answerDhcp(data);
      return;
    }
    const [guest, known]: Endpoint[] = [
      { ip: source, port: from },
      { ip: destination, port: to },
    ];
    if (this.#udp.answer(guest, known, data)) return;
    const isExpired = packet.ttl <= 1 && !isWithin(destination, subnet);
    const address = this.#leadsTo(destination, to);
    if (isExpired) this.#sendIcmp(packet, timeExceeded(packet));
    else if (address) {
      this.#udp.send(guest, known, address, data, destination === gateway ? quoteOf(packet) : null);
    } else if (destination === gateway) this.#sendIcmp(packet, unreachable(packet, Unreachable.PORT));
  }

  #answerDhcp(request: Uint8Array): void {
    const reply = this.#dhcp.answer(request);
    if (!reply) return;
    const ciaddr = reply.subarray(12, 16).reduce((value, byte) => value * 256 + byte, 0);
    const from = { ip: this.#plan.gateway, port: DHCP_SERVER_PORT };
    this.#sendUdp(from, { ip: ciaddr || BROADCAST_IP, port: DHCP_CLIENT_PORT }, reply);
  }

  /** Where a connection to an address that the guest knows leads on the host; null if it leads nowhere. */
  #leadsTo(ip: number, port: number): SocketAddress | null {
    const { gateway, dns, subnet, isRestricted } = this.#plan;
    if (isRestricted) return null;
    if (ip === gateway) return { address: LOOPBACK, port };
    if (ip === dns) return port === DNS_PORT ? (this.#resolver ?? this.#sockets.resolvers()[0] ?? null) : null;
    const isRoutable = !isWithin(ip, subnet) && ip >>> 28 < 14 && ip >>> 24 !== 127 && ip >>> 24 !== 0;
    return isRoutable ? { address: formatIp(ip), port } : null;
  }

  /** The address by which the guest sees a peer on the host's side: what cannot be an address outside is the gateway. */
  #knownAs(address: string): number {
    const text = address.replace(/^::ffff:/, '');
    const isOutside = /^\d+\.\d+\.\d+\.\d+$/.test(text) && !text.startsWith('127.');
    const ip = isOutside ? parseIp(text) : 0;
    return isOutside && !isWithin(ip, this.#plan.subnet) ? ip : this.#plan.gateway;
  }

  #sendUdp(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    const head = { source: from.ip, destination: to.ip, protocol: Protocol.UDP };
    this.#lan.sendDatagram(head, makeDatagram(from, to, data));
  }

  #sendIcmp({ source }: Packet, message: Uint8Array, from = this.#plan.gateway): void {
    this.#lan.sendDatagram({ source: from, destination: source, protocol: Protocol.ICMP }, message);
  }
}
