/**
 * UDP between the guest and the host: a socket of the host for every port of the guest that sends, and one for itself
 * for every port of the host that it sends to, so that a closed one is noticed. Answers come back only from where
 * something was sent to; forwarded ports take them from everywhere.
 */
import type { HostWork } from '../backend.ts';
import type { HostDatagrams, HostSockets, OnDatagram, SocketAddress } from '../sockets.ts';

/** Host milliseconds: until an unused socket is closed, and how long an answer is waited for. */
const IDLE_MS = 60_000;
const ANSWER_MS = 1000;
const MOST_FLOWS = 512;
const MOST_PEERS = 256;

export interface Endpoint {
  ip: number;
  port: number;
}

export interface UdpParts {
  sockets: HostSockets;
  host: () => HostWork;
  /** Shows a datagram to the guest. */
  deliver: (from: Endpoint, to: Endpoint, data: Uint8Array) => void;
}

interface Flow {
  socket: HostDatagrams;
  /** Who may answer, and as whom the guest knows it. */
  peers: Map<string, Endpoint>;
  /** For the last datagram that was sent. */
  refused: () => void;
  stopTimer: () => void;
  stopWaiting: () => void;
}

const keyOf = ({ address, port }: SocketAddress): string => `${address}:${port}`;

export class UdpNat {
  readonly #parts: UdpParts;
  readonly #flows = new Map<string, Flow>();
  readonly #forwards = new Map<string, { socket: HostDatagrams; peers: Map<string, SocketAddress> }>();

  constructor(parts: UdpParts) {
    this.#parts = parts;
  }

  /** Leads a port of the host to one of the guest; `knownAs` says as whom the guest sees an address of the host's side. */
  async forward(at: SocketAddress, guest: Endpoint, knownAs: (address: string) => number): Promise<HostDatagrams> {
    const peers = new Map<string, SocketAddress>();
    const socket = await this.#parts.sockets.bindDatagrams(at, (bytes, from) => {
      const known = { ip: knownAs(from.address), port: from.port };
      if (peers.size >= MOST_PEERS) peers.clear();
      peers.set(`${known.ip}:${known.port}`, from);
      this.#parts.host().arrived();
      this.#parts.deliver(known, guest, bytes);
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
   * Sends a datagram of the guest; `known` is where the guest thinks that it goes. `refused` is called if the port is
   * one of the host's own, and closed.
   */
  send(from: Endpoint, known: Endpoint, to: SocketAddress, data: Uint8Array, refused?: () => void): void {
    const isOfHost = refused !== undefined && this.#parts.sockets.datagramsTo !== undefined;
    const key = `${from.ip}:${from.port}${isOfHost ? `>${keyOf(to)}` : ''}`;
    const flow = this.#flows.get(key) ?? this.#open(key, from, isOfHost ? to : null);
    if (refused) flow.refused = refused;
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

  #open(key: string, guest: Endpoint, only: SocketAddress | null): Flow {
    const { sockets, host, deliver } = this.#parts;
    if (this.#flows.size >= MOST_FLOWS) this.#drop(this.#flows.keys().next().value as string);
    const receive: OnDatagram = (bytes, from) => {
      const known = flow.peers.get(keyOf(from));
      if (!known) return;
      host().arrived();
      flow.stopWaiting();
      this.#touch(key, flow);
      deliver(known, guest, bytes);
    };
    const refused = (): void => {
      host().arrived();
      flow.stopWaiting();
      flow.refused();
    };
    const flow: Flow = {
      socket: (only && sockets.datagramsTo?.(only, receive, refused)) ?? sockets.datagrams(receive),
      peers: new Map(),
      refused: () => {},
      stopTimer: () => {},
      stopWaiting: () => {},
    };
    this.#flows.set(key, flow);
    return flow;
  }

  #touch(key: string, flow: Flow): void {
    flow.stopTimer();
    flow.stopTimer = this.#parts.sockets.after(IDLE_MS, () => this.#drop(key));
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
