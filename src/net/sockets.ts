/**
 * What the user-mode network asks of its host: streams and datagrams to addresses in dotted notation. Node's are in
 * src/node; a page may bring its own, over whatever carries bytes there. Events never come within the call that asked.
 */

export type StreamFailure = 'refused' | 'unreachable' | 'timeout' | 'reset';

export interface StreamEvents {
  connected(): void;
  /** The bytes are the receiver's to keep. */
  data(bytes: Uint8Array): void;
  /** The other side sends no more. */
  ended(): void;
  /** Less than before is `buffered`. */
  drained(): void;
  /** Nothing comes any more, and nothing goes. */
  failed(why: StreamFailure): void;
}

export interface HostStream {
  /** Bytes written that the host has not taken yet. */
  readonly buffered: number;
  /** Keeps the bytes until they are sent. */
  write(bytes: Uint8Array): void;
  /** No more will be written. */
  end(): void;
  /** Ends both ways at once, whatever was written; no event comes any more. */
  abort(): void;
  /** Ends both ways when what was written is sent; no event comes any more. */
  finish(): void;
  pause(): void;
  resume(): void;
}

export type SocketAddress = {
  address: string;
  port: number;
};

/** Where a stream leads, and how many bytes went each way: what a saved machine keeps of it. */
export type StreamPlace = { peer: SocketAddress; isIncoming: boolean; sent: number; received: number };

export interface HostDatagrams {
  /** The port that datagrams are sent from and come to. */
  readonly port: number;
  send(bytes: Uint8Array, to: SocketAddress): void;
  close(): void;
}

export interface Listener {
  readonly port: number;
  close(): void;
}

export type OnDatagram = (bytes: Uint8Array, from: SocketAddress) => void;

export interface HostSockets {
  connect(to: SocketAddress, events: StreamEvents): HostStream;
  /**
   * Goes on with a stream where a machine that is put back left it; null where that cannot be. Hosts without this cannot:
   * the guest sees its connection reset.
   */
  resume?(place: StreamPlace, events: StreamEvents): HostStream | null;
  /** Calls back for every connection; `open` must be called at once. Rejects where the port cannot be had. */
  listen(
    at: SocketAddress,
    accept: (from: SocketAddress, open: (events: StreamEvents) => HostStream) => void,
  ): Promise<Listener>;
  /** A socket at any port. */
  datagrams(receive: OnDatagram): HostDatagrams;
  /** A socket at any port for one address; `refused` is called if nothing listens there, as far as the host can tell. */
  datagramsTo?(to: SocketAddress, receive: OnDatagram, refused: () => void): HostDatagrams;
  /** A socket at a port of choice. Rejects if the port cannot be had. */
  bindDatagrams(at: SocketAddress, receive: OnDatagram): Promise<HostDatagrams>;
  /** The host's name servers, best first; none if they are not known. */
  resolvers(): readonly SocketAddress[];
  /** Calls back after that many milliseconds of the host; returns how to cancel. */
  after(milliseconds: number, callback: () => void): () => void;
}
