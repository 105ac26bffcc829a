/** The sockets of Node for the user-mode network. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { createServer, Socket } from 'node:net';
import { compact } from '../net/chunks.ts';
import type {
  HostDatagrams,
  HostSockets,
  HostStream,
  OnDatagram,
  SocketAddress,
  StreamEvents,
  StreamFailure,
} from '../net/sockets.ts';
import { SocketWriter } from './socket-writer.ts';

const FAILURES: Record<string, StreamFailure> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  ETIMEDOUT: 'timeout',
};
/** Datagrams beyond this many bytes in the socket's queue are dropped, as networks do. */
const MOST_QUEUED = 1 << 20;
/** And beyond this many, however short. */
const MOST_DATAGRAMS = 1024;
const DNS_PORT = 53;

/** A Node socket as a stream. The socket must allow half-open connections. */
function streamOf(socket: Socket, events: StreamEvents): HostStream {
  let isSilent = false;
  socket.setNoDelay(true);
  socket.on('data', (bytes) => events.data(bytes));
  socket.on('end', () => events.ended());
  const writer = new SocketWriter(socket, () => {
    if (!isSilent) events.drained();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => events.failed(FAILURES[error.code ?? ''] ?? 'reset'));
  const silence = (): void => {
    isSilent = true;
    for (const event of ['data', 'end', 'error']) socket.removeAllListeners(event);
    socket.on('error', () => {});
  };
  return {
    get buffered() {
      return writer.buffered;
    },
    write: (bytes) => writer.write(bytes),
    end: () => writer.finish(() => void socket.end()),
    abort() {
      silence();
      socket.resetAndDestroy();
    },
    finish() {
      silence();
      writer.finish(() => socket.destroySoon());
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

function datagramsOf(socket: DatagramSocket, receive: OnDatagram): HostDatagrams {
  let isClosed = false;
  let queued = 0;
  socket.on('message', (bytes, { address, port }) => {
    if (!isClosed) receive(bytes, { address, port });
  });
  return {
    get port() {
      return socket.address().port;
    },
    send(bytes, { address, port }) {
      if (isClosed || port === 0 || socket.getSendQueueSize() > MOST_QUEUED || queued >= MOST_DATAGRAMS) return;
      queued++;
      socket.send(compact(bytes), port, address, () => {
        queued--;
      });
    },
    close() {
      isClosed = true;
      socket.close();
    },
  };
}

/** Resolves when the server or socket is ready, with a plain error where its port cannot be had. */
function started(
  what: { once(event: string, listener: (error: Error) => void): unknown },
  { address, port }: SocketAddress,
  start: (onStarted: () => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    what.once('error', (error) => reject(new Error(`cannot listen at ${address}:${port}: ${error.message}`)));
    start(resolve);
  });
}

/** `server` of the host's list, which may be `address`, `address:port` or `[address]:port`. */
function resolverOf(server: string): SocketAddress {
  const match = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(server) ?? /^\[(.*)\]:(\d+)$/.exec(server);
  return match ? { address: match[1], port: Number(match[2]) } : { address: server, port: DNS_PORT };
}

/** The sockets of this process. */
export function nodeSockets(): HostSockets {
  return {
    connect({ address, port }, events) {
      const socket = new Socket({ allowHalfOpen: true });
      const stream = streamOf(socket, events);
      if (port === 0) setImmediate(() => events.failed('refused'));
      else socket.connect(port, address, () => events.connected());
      return stream;
    },
    async listen(at, accept) {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        const from = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
        accept(from, (events) => streamOf(socket, events));
      });
      await started(server, at, (done) => server.listen(at.port, at.address, done));
      server.on('error', () => {});
      const bound = server.address();
      return { port: typeof bound === 'object' && bound ? bound.port : at.port, close: () => void server.close() };
    },
    datagrams(receive) {
      const socket = createSocket('udp4');
      socket.on('error', () => {});
      return datagramsOf(socket, receive);
    },
    datagramsTo(to, receive, refused) {
      const socket = createSocket('udp4');
      let isConnected = false;
      let isClosed = false;
      let waiting: Uint8Array[] = [];
      let queued = 0;
      const send = (bytes: Uint8Array): void => {
        queued++;
        socket.send(bytes, (error) => {
          queued--;
          if (error) failed(error);
        });
      };
      // What the network says of one datagram is told with the next one that is sent or asked for.
      const failed = ({ code }: NodeJS.ErrnoException): void => {
        if (code === 'ECONNREFUSED' && !isClosed) refused();
      };
      socket.on('error', failed);
      socket.on('message', (bytes) => {
        if (!isClosed) receive(bytes, to);
      });
      socket.connect(to.port, to.address, () => {
        isConnected = true;
        if (!isClosed) for (const bytes of waiting) send(bytes);
        waiting = [];
      });
      return {
        get port() {
          return socket.address().port;
        },
        send(bytes) {
          const isFull = queued + waiting.length >= MOST_DATAGRAMS || socket.getSendQueueSize() > MOST_QUEUED;
          if (isClosed || isFull) return;
          if (isConnected) send(compact(bytes));
          else waiting.push(compact(bytes));
        },
        close() {
          isClosed = true;
          socket.close();
        },
      };
    },
    async bindDatagrams(at, receive) {
      const socket = createSocket('udp4');
      await started(socket, at, (done) => socket.bind(at.port, at.address, done));
      socket.removeAllListeners('error').on('error', () => {});
      return datagramsOf(socket, receive);
    },
    resolvers: () =>
      getServers()
        .map(resolverOf)
        .sort((a, b) => Number(a.address.includes(':')) - Number(b.address.includes(':'))),
    after(milliseconds, callback) {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  };
}
