/** TCP between the guest and the host: the connections there are, and how new ones begin on either side. */
import { copyOf, type Saved } from '../../saved.ts';
import { BROADCAST_IP } from '../addresses.ts';
import type { NetCard } from '../backend.ts';
import type { HostSockets, HostStream, Listener, SocketAddress, StreamEvents, StreamFailure } from '../sockets.ts';
import { quoteOf } from './icmp.ts';
import type { Lan } from './lan.ts';
import type { Packet } from './packet.ts';
import { Flag, makeSegment, type Segment, type SegmentHead } from './segment.ts';
import { type ConnectionState, type Outgoing, TcpConnection } from './tcp-connection.ts';
import type { Endpoint } from './udp-nat.ts';

const MOST_CONNECTIONS = 1024;
/** Of IPv4 and TCP without options. */
const HEADERS = 40;
const MOST_PACKET = 65535;
const OUR_MSS = MOST_PACKET - HEADERS;
/** Numbers begin at other places, for old segments to be told from new ones. */
const ISS_STEP = 64_021;
const FIRST_DYNAMIC_PORT = 49152;

type Pair = { guest: Endpoint; remote: Endpoint };

/** A connection, and the packet that asked for it, to be quoted where the host cannot be reached; null for the host's own. */
interface Entry {
  pair: Pair;
  quote: Packet | null;
  connection: TcpConnection;
}

export type TcpState = {
  iss: number;
  connections: { pair: Pair; quote: Packet | null; isTouched: boolean; state: ConnectionState }[];
};

const keyOf = ({ guest, remote }: Pair): string => `${guest.ip}:${guest.port}-${remote.ip}:${remote.port}`;
const nothing = (): void => {};

export class TcpNat implements Saved<TcpState> {
  readonly #sockets: HostSockets;
  readonly #unreachable: (quote: Packet) => void;
  /** The doors by which the host's streams come: begun by the host, and whatever happens on any of them. */
  #accept: (pair: Pair, from: SocketAddress) => void = nothing;
  #happen: (key: string, what: keyof StreamEvents, data: Uint8Array | StreamFailure | null) => void = nothing;
  /** Opens the stream that is being accepted. */
  #opening: ((events: StreamEvents) => HostStream) | null = null;
  readonly #lan: Lan;
  readonly #connections = new Map<string, Entry>();
  /** Those that may have something to say. */
  readonly #touched = new Set<TcpConnection>();
  #iss = 1;

  /** `unreachable` tells the guest that a packet of its cannot arrive. */
  constructor(sockets: HostSockets, lan: Lan, unreachable: (quote: Packet) => void) {
    this.#unreachable = unreachable;
    this.#sockets = sockets;
    this.#lan = lan;
  }

  /** Plugged into a card: its doors are the ones. */
  attach({ doors }: NetCard): void {
    this.reset();
    this.#accept = doors.door('tcp.accept', (pair: Pair, from: SocketAddress) => {
      const connection = this.#make(pair, null, from, true);
      if (this.#opening) connection.open(this.#opening(this.#eventsOf(pair, connection)));
    });
    this.#happen = doors.door(
      'tcp',
      (key: string, what: keyof StreamEvents, data: Uint8Array | StreamFailure | null) => {
        const connection = this.#connections.get(key)?.connection;
        if (what === 'data') connection?.data(data as Uint8Array);
        else if (what === 'failed') connection?.failed(data as StreamFailure);
        else connection?.[what]();
      },
    );
  }

  /** What happens on the stream of a connection, as long as there is the connection. */
  #eventsOf(pair: Pair, connection: TcpConnection): StreamEvents {
    const key = keyOf(pair);
    const happen = (what: keyof StreamEvents, data: Uint8Array | StreamFailure | null = null): void => {
      if (this.#connections.get(key)?.connection === connection) this.#happen(key, what, data);
    };
    return {
      connected: () => happen('connected'),
      data: (bytes) => happen('data', bytes),
      ended: () => happen('ended'),
      drained: () => happen('drained'),
      failed: (why) => happen('failed', why),
    };
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Takes a segment of the guest, which came in `packet`; `to` is where a new connection leads, null for nowhere. */
  receive(packet: Packet, segment: Segment, to: SocketAddress | null): void {
    const pair = {
      guest: { ip: packet.source, port: segment.source },
      remote: { ip: packet.destination, port: segment.destination },
    };
    const key = keyOf(pair);
    const known = this.#connections.get(key)?.connection;
    if (known) {
      this.#touched.add(known);
      known.receive(segment);
      return;
    }
    const { flags } = segment;
    if (flags & Flag.RST) return;
    if ((flags & (Flag.SYN | Flag.ACK)) !== Flag.SYN || !to) this.#refuse(pair, segment);
    else if (this.#connections.size < MOST_CONNECTIONS) {
      const connection = this.#make(pair, quoteOf(packet), to, false);
      connection.accept(segment, this.#sockets.connect(to, this.#eventsOf(pair, connection)));
    }
  }

  /** Leads a port of the host to one of the guest; `knownAs` says as whom the guest sees an address of the host's side. */
  forward(at: SocketAddress, guest: Endpoint, knownAs: (address: string) => number): Promise<Listener> {
    return this.#sockets.listen(at, (from, open) => {
      const pair = { guest, remote: { ip: knownAs(from.address), port: from.port } };
      while (this.#connections.has(keyOf(pair))) {
        pair.remote.port = pair.remote.port < MOST_PACKET ? pair.remote.port + 1 : FIRST_DYNAMIC_PORT;
      }
      if (!this.#lan.card || this.#connections.size >= MOST_CONNECTIONS) {
        open({ connected: nothing, data: nothing, ended: nothing, drained: nothing, failed: nothing }).abort();
        return;
      }
      this.#lan.card.host.arrived();
      this.#opening = open;
      this.#accept(pair, from);
      this.#opening = null;
    });
  }

  /** Answers what came since the last time. */
  flush(): void {
    for (const connection of this.#touched) connection.flush();
    this.#touched.clear();
  }

  /** The guest has room again: everyone in turn. */
  ready(): void {
    for (const { connection } of [...this.#connections.values()]) connection.flush();
  }

  reset(): void {
    for (const { connection } of [...this.#connections.values()]) connection.drop();
    this.#touched.clear();
  }

  save(): TcpState {
    const connections = [...this.#connections.values()].map(({ pair, quote, connection }) => {
      const isTouched = this.#touched.has(connection);
      return { ...copyOf({ pair, quote }), isTouched, state: connection.save() };
    });
    return { iss: this.#iss, connections };
  }

  load({ iss, connections }: TcpState): void {
    this.reset();
    for (const { pair, quote, isTouched, state } of connections) {
      const { peer, isIncoming } = state.place;
      const connection = this.#make(copyOf(pair), copyOf(quote), peer, isIncoming);
      connection.load(state);
      if (isTouched) this.#touched.add(connection);
      const events = this.#eventsOf(pair, connection);
      if (!connection.resume(this.#sockets, events)) this.#sockets.after(0, () => events.failed('reset'));
    }
    this.#iss = iss;
  }

  #make(pair: Pair, quote: Packet | null, peer: SocketAddress, isIncoming: boolean): TcpConnection {
    const card = this.#lan.card;
    if (!card) throw new Error('a connection without a card');
    const key = keyOf(pair);
    this.#iss = (this.#iss + ISS_STEP) >>> 0;
    const parts = {
      now: () => card.clock.now(),
      timer: (fires: () => void) => card.clock.timer(`tcp ${key}`, fires),
      host: card.host,
      iss: this.#iss,
      buffered: (stream: HostStream | null) => card.doors.ask('tcp.buffered', () => stream?.buffered ?? 0),
      count: () => Math.max(1, this.#connections.size),
      ourMss: card.takes.segments ? OUR_MSS : 1460,
      most: (mss: number) => (card.takes.segments ? OUR_MSS - (OUR_MSS % mss) : mss),
      emit: (head: Outgoing, length: number, fill: (target: Uint8Array) => void, mss: number) =>
        this.#emit(pair, head, length, fill, mss),
      closed: () => {
        this.#connections.delete(key);
        this.#touched.delete(connection);
      },
      unreachable: () => quote && this.#unreachable(quote),
    };
    const connection = new TcpConnection(parts, peer, isIncoming);
    this.#connections.set(key, { pair, quote, connection });
    return connection;
  }

  #emit(
    { guest, remote }: Pair,
    head: Outgoing,
    length: number,
    fill: (target: Uint8Array) => void,
    mss: number,
  ): boolean {
    return this.#send({ ...head, from: remote, to: guest }, length, fill, mss);
  }

  #send(head: SegmentHead, length: number, fill: (target: Uint8Array) => void, mss: number): boolean {
    const lan = this.#lan;
    if (!lan.card || !lan.isClear) return false;
    const isSumLeft = lan.card.takes.checksum;
    const cut = length > mss ? mss : 0;
    const { frame, offload } = makeSegment(head, lan.nextId(), length, fill, { cut, isSumLeft });
    return !lan.address(frame, head.to.ip) || lan.card.receive(frame, offload);
  }

  /** RFC 9293, "Reset Generation": an answer to a segment of no connection. */
  #refuse({ guest, remote }: Pair, { flags, seq, ack, payload }: Segment): void {
    if (guest.ip === BROADCAST_IP) return;
    const length = payload.length + (flags & Flag.SYN ? 1 : 0) + (flags & Flag.FIN ? 1 : 0);
    const answer =
      flags & Flag.ACK
        ? { seq: ack, ack: 0, flags: Flag.RST }
        : { seq: 0, ack: (seq + length) >>> 0, flags: Flag.RST | Flag.ACK };
    this.#send({ from: remote, to: guest, window: 0, ...answer }, 0, nothing, 1);
  }
}
