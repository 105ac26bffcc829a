// A host for the user-mode network: streams and datagrams that the test plays, timers that it lets pass.
import type {
  HostDatagrams,
  HostSockets,
  HostStream,
  Listener,
  OnDatagram,
  SocketAddress,
  StreamEvents,
} from '../../../src/net/sockets.ts';

export class FakeStream implements HostStream {
  readonly to: SocketAddress;
  readonly events: StreamEvents;
  readonly written: number[] = [];
  buffered = 0;
  /** Whether writes stay in the buffer until `drain`. */
  isSlow = false;
  isEnded = false;
  isAborted = false;
  isFinished = false;
  isPaused = false;

  constructor(to: SocketAddress, events: StreamEvents) {
    this.to = to;
    this.events = events;
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.written.push(byte);
    if (this.isSlow) this.buffered += bytes.length;
  }

  drain(): void {
    this.buffered = 0;
    this.events.drained();
  }

  end(): void {
    this.isEnded = true;
  }

  finish(): void {
    this.isFinished = true;
  }

  abort(): void {
    this.isAborted = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  get text(): string {
    return String.fromCharCode(...this.written);
  }
}

interface FakeDatagrams extends HostDatagrams {
  readonly sent: { bytes: number[]; to: SocketAddress }[];
  readonly receive: OnDatagram;
  isClosed: boolean;
}

export class FakeHost implements HostSockets {
  readonly streams: FakeStream[] = [];
  readonly sockets: FakeDatagrams[] = [];
  readonly listeners: {
    at: SocketAddress;
    accept: (from: SocketAddress) => FakeStream;
    isClosed: boolean;
  }[] = [];
  readonly timers = new Set<{ at: number; callback: () => void }>();
  servers: SocketAddress[] = [{ address: '192.0.2.53', port: 53 }];
  now = 0;

  connect(to: SocketAddress, events: StreamEvents): HostStream {
    const stream = new FakeStream(to, events);
    this.streams.push(stream);
    return stream;
  }

  async listen(
    at: SocketAddress,
    accept: (from: SocketAddress, open: (events: StreamEvents) => HostStream) => void,
  ): Promise<Listener> {
    if (at.port === 1) throw new Error(`cannot listen at ${at.address}:1: taken`);
    const listener = {
      at,
      isClosed: false,
      accept: (from: SocketAddress): FakeStream => {
        accept(from, (events) => this.connect(from, events));
        return this.streams[this.streams.length - 1];
      },
    };
    this.listeners.push(listener);
    return {
      port: at.port || 40000,
      close: () => {
        listener.isClosed = true;
      },
    };
  }

  datagramsTo: HostSockets['datagramsTo'] = undefined;

  datagrams(receive: OnDatagram): HostDatagrams {
    const sent: FakeDatagrams['sent'] = [];
    const socket: FakeDatagrams = {
      port: 40001,
      sent,
      receive,
      isClosed: false,
      send: (bytes, to) => void sent.push({ bytes: [...bytes], to }),
      close: () => {
        socket.isClosed = true;
      },
    };
    this.sockets.push(socket);
    return socket;
  }

  async bindDatagrams(_at: SocketAddress, receive: OnDatagram): Promise<HostDatagrams> {
    return this.datagrams(receive);
  }

  resolvers(): readonly SocketAddress[] {
    return this.servers;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.now + milliseconds, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets host time pass. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const timer of [...this.timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > this.now || !this.timers.delete(timer)) continue;
      timer.callback();
    }
  }
}
