/**
 * UDP between the guest and the host: a socket of the host for every port of the guest that sends, and one for itself
 * for every port of the host that it sends to, so that a closed one is noticed. Answers come back only from where
 * something was sent to; forwarded ports take them from everywhere.
 */
import { copyOf, type Saved } from '../../saved.ts';
import type { HostWork, NetCard } from '../backend.ts';
import type { HostDatagrams, HostSockets, OnDatagram, SocketAddress } from '../sockets.ts';
import type { Packet } from './packet.ts';

/** Host milliseconds: until an unused socket is closed, and how long an answer is waited for. */
const IDLE_MS = 60_000;
const ANSWER_MS = 1000;
const MOST_FLOWS = 512;
const MOST_PEERS = 256;

export type Endpoint = {
  ip: number;
  port: number;
};

export interface UdpParts {
  sockets: HostSockets;
  host: () => HostWork;
  /** Shows a datagram to the guest. */
  deliver: (from: Endpoint, to: Endpoint, data: Uint8Array) => void;
  /** Tells the guest that nobody is at the port that a packet of its went to. */
  refused: (quote: Packet) => void;
}

interface Flow {
  readonly guest: Endpoint;
  /** The one port of the host that it is for. */
  readonly only: SocketAddress | null;
  socket: HostDatagrams;
  /** Who may answer, and as whom the guest knows it. */
  peers: Map<string, Endpoint>;
  /** Of the last datagram that was sent to the host itself. */
  quote: Packet | null;
  stopTimer: () => void;
  stopWaiting: () => void;
}

/** Who may answer whom; the sockets of the host are opened anew, at other ports as a rule. */
export type UdpState = {
  flows: {
    key: string;
    guest: Endpoint;
    only: SocketAddress | null;
    peers: { key: string; known: Endpoint }[];
    quote: Packet | null;
  }[];
  forwards: { key: string; peers: { key: string; from: SocketAddress }[] }[];
};

const nothing = (): void => {};
const keyOf = ({ address, port }: SocketAddress): string => `${address}:${port}`;

export class UdpNat implements Saved<UdpState> {
  readonly #parts: UdpParts;
  readonly #flows = new Map<string, Flow>();
  readonly #forwards = new Map<string, { socket: HostDatagrams; peers: Map<string, SocketAddress> }>();
  /** The doors by which datagrams come, for a flow or a forwarded port, and other news of a flow. */
  #arrive: (key: string, from: SocketAddress, bytes: Uint8Array) => void = nothing;
  #forwarded: (known: Endpoint, guest: Endpoint, bytes: Uint8Array) => void = nothing;
  #happen: (key: string, what: 'refused' | 'idle') => void = nothing;

  constructor(parts: UdpParts) {
    this.#parts = parts;
  }

  /** Plugged into a card: its doors are the ones. */
  attach({ doors }: NetCard): void {
    const { host, deliver, refused } = this.#parts;
    this.reset();
    this.#arrive = doors.door('udp', (key: string, from: SocketAddress, bytes: Uint8Array) => {
      const flow = this.#flows.get(key);
      const known = flow?.peers.get(keyOf(from));
      if (!flow || !known) return;
      host().arrived();
      flow.stopWaiting();
      this.#touch(key, flow);
      deliver(known, flow.guest, bytes);
    });
    this.#forwarded = doors.door('udp.forwarded', (known: Endpoint, guest: Endpoint, bytes: Uint8Array) => {
      host().arrived();
      deliver(known, guest, bytes);
    });
    this.#happen = doors.door('udp.flow', (key: string, what: 'refused' | 'idle') => {
      const flow = this.#flows.get(key);
      if (what === 'idle') this.#drop(key);
      else if (flow) {
        host().arrived();
        flow.stopWaiting();
        if (flow.quote) refused(flow.quote);
      }
    });
  }

  /** Leads a port of the host to one of the guest; `knownAs` says as whom the guest sees an address of the host's side. */
  async forward(at: SocketAddress, guest: Endpoint, knownAs: (address: string) => number): Promise<HostDatagrams> {
    const peers = new Map<string, SocketAddress>();
    const socket = await this.#parts.sockets.bindDatagrams(at, (bytes, from) => {
      const known = { ip: knownAs(from.address), port: from.port };
      if (peers.size >= MOST_PEERS) peers.clear();
      peers.set(`${known.ip}:${known.port}`, from);
      this.#forwarded(known, guest, bytes);
    });
    this.#forwards.set(`${guest.ip}:${guest.port}`, { socket, peers });
    return socket;
  }

  /** Whether a datagram of the guest answers one that came through a forwarded port; then it is sent. */
  answer(from: Endpoint, to: Endpoint, data: Uint8Array): boolean {
    const forward = this.#forwards.get(`${from.ip}:${from.port}`);
    const peer = forward?.peers.get(`${to.ip}:${to.port}`);
    if (forward && peer) forward.socket.send(data, peer);
    return peer !== undefined;
  }

  /**
   * Sends a datagram of the guest; `known` is where the guest thinks that it goes. `quote` is its packet where the port is
   * one of the host's own, which may be closed.
   */
  send(from: Endpoint, known: Endpoint, to: SocketAddress, data: Uint8Array, quote: Packet | null): void {
    const isOfHost = quote !== null && this.#parts.sockets.datagramsTo !== undefined;
    const key = `${from.ip}:${from.port}${isOfHost ? `>${keyOf(to)}` : ''}`;
    const flow = this.#flows.get(key) ?? this.#open(key, from, isOfHost ? to : null);
    if (quote) flow.quote = quote;
    if (flow.peers.size >= MOST_PEERS) flow.peers.clear();
    flow.peers.set(keyOf(to), known);
    this.#touch(key, flow);
    flow.stopWaiting();
    const host = this.#parts.host();
    const release = host.begin();
    const cancel = this.#parts.sockets.after(ANSWER_MS, () => {
      host.arrived();
      release();
    });
    flow.stopWaiting = () => {
      cancel();
      release();
    };
    flow.socket.send(data, to);
  }

  /** Forgets what the guest sent; forwarded ports stay. */
  reset(): void {
    for (const key of [...this.#flows.keys()]) this.#drop(key);
  }

  save(): UdpState {
    return {
      flows: [...this.#flows].map(([key, { guest, only, peers, quote }]) =>
        copyOf({ key, guest, only, peers: [...peers].map(([peer, known]) => ({ key: peer, known })), quote }),
      ),
      forwards: [...this.#forwards].map(([key, { peers }]) =>
        copyOf({ key, peers: [...peers].map(([peer, from]) => ({ key: peer, from })) }),
      ),
    };
  }

  load(state: UdpState): void {
    const { flows, forwards } = copyOf(state);
    this.reset();
    for (const { key, guest, only, peers, quote } of flows) {
      const flow = this.#open(key, guest, only);
      for (const { key: peer, known } of peers) flow.peers.set(peer, known);
      flow.quote = quote;
      this.#touch(key, flow);
    }
    for (const { key, peers } of forwards) {
      const forward = this.#forwards.get(key);
      forward?.peers.clear();
      for (const { key: peer, from } of peers) forward?.peers.set(peer, from);
    }
  }

  #open(key: string, guest: Endpoint, only: SocketAddress | null): Flow {
    const { sockets } = this.#parts;
    if (this.#flows.size >= MOST_FLOWS) this.#drop(this.#flows.keys().next().value as string);
    const receive: OnDatagram = (bytes, from) => {
      if (this.#flows.get(key) === flow) this.#arrive(key, from, bytes);
    };
    const refused = (): void => {
      if (this.#flows.get(key) === flow) this.#happen(key, 'refused');
    };
    const flow: Flow = {
      guest,
      only,
      socket: (only && sockets.datagramsTo?.(only, receive, refused)) ?? sockets.datagrams(receive),
      peers: new Map(),
      quote: null,
      stopTimer: () => {},
      stopWaiting: () => {},
    };
    this.#flows.set(key, flow);
    return flow;
  }

  #touch(key: string, flow: Flow): void {
    flow.stopTimer();
    flow.stopTimer = this.#parts.sockets.after(IDLE_MS, () => this.#happen(key, 'idle'));
  }

  #drop(key: string): void {
    const flow = this.#flows.get(key);
    if (!flow) return;
    this.#flows.delete(key);
    flow.stopTimer();
    flow.stopWaiting();
    flow.socket.close();
  }
}
