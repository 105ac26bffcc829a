/**
 * Sockets of the guest as Unix sockets of the host, in Firecracker's way: who connects to `path` and says "CONNECT PORT"
 * gets that port of the guest, after a line "OK PORT"; and what the guest connects to, port P of the host, is the socket
 * `path`_P.
 */
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { check, isObject, isText } from '../checks.ts';
import type { VsockConnection } from '../devices/virtio/vsock-connection.ts';
import type { VsockHub } from '../machine/host/vsock-hub.ts';
import { SocketWriter } from './socket-writer.ts';

/** More than this waits in the socket, not here. */
const MOST_BUFFERED = 256 << 10;
/** And this much of the guest's waits for the host before the guest has to. */
const MOST_QUEUED = 64 << 10;
const REQUEST = /^CONNECT (\d{1,10})$/;
const LONGEST_REQUEST = 32;
const NEWLINE = 10;

/** Whether there is a socket at which no process listens: one that was killed has left it. */
function isLeftBehind(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}

export class VsockUnix {
  readonly #hub: VsockHub;
  readonly #path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #stopExpecting: () => void = () => {};

  /** Listens at `path`. Throws an error if that is not possible. */
  static async open(hub: VsockHub, path: string): Promise<VsockUnix> {
    check('VsockUnix.open: hub', hub, isObject(['listen', 'connect']));
    check('VsockUnix.open: path', path, isText);
    const unix = new VsockUnix(hub, path);
    if (await isLeftBehind(path)) unlinkSync(path);
    await new Promise<void>((resolve, reject) => {
      unix.#server.once('error', (error) => reject(new Error(`uds_path=${path}: ${error.message}`)));
      unix.#server.listen(path, resolve);
    });
    unix.#stopExpecting = hub.host.expect();
    return unix;
  }

  private constructor(hub: VsockHub, path: string) {
    this.#hub = hub;
    this.#path = path;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#fromHost(socket));
    hub.fallback = (port) => (existsSync(`${path}_${port}`) ? (guest) => this.#fromGuest(guest, port) : undefined);
  }

  /** Ends all connections and removes the socket. */
  async close(): Promise<void> {
    this.#stopExpecting();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #fromGuest(guest: VsockConnection, port: number): void {
    this.#bridge(connect({ path: `${this.#path}_${port}`, allowHalfOpen: true }), guest);
  }

  /** Reads the request byte by byte: what follows the line is the guest's. */
  #fromHost(socket: Socket): void {
    let line = '';
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
    const read = (): void => {
      for (let byte = socket.read(1); byte; byte = socket.read(1)) {
        if (byte[0] !== NEWLINE) line += byte.toString('latin1');
        else {
          socket.off('readable', read);
          this.#request(socket, line);
          return;
        }
        if (line.length > LONGEST_REQUEST) {
          socket.destroy();
          return;
        }
      }
    };
    socket.on('readable', read);
  }

  #request(socket: Socket, line: string): void {
    const port = Number(REQUEST.exec(line)?.[1] ?? Number.NaN);
    try {
      this.#hub.host.arrived();
      const guest = this.#hub.connect(port);
      const done = this.#hub.host.begin();
      guest.events = {
        open: () => {
          done();
          socket.write(`OK ${guest.hostPort}\n`);
          this.#bridge(socket, guest);
        },
        close: () => {
          done();
          socket.destroy();
        },
      };
    } catch {
      socket.destroy();
    }
  }

  #bridge(socket: Socket, guest: VsockConnection): void {
    const { host } = this.#hub;
    const done = host.begin();
    this.#sockets.add(socket);
    let isPaused = false;
    const writer = new SocketWriter(socket, () => {
      if (!isPaused) return;
      isPaused = false;
      host.arrived();
      guest.resume();
    });
    const endSocket = (): void => writer.finish(() => void socket.end());
    guest.events = {
      data: (bytes) => {
        writer.write(bytes);
        if (writer.buffered <= MOST_QUEUED) return;
        isPaused = true;
        guest.pause();
      },
      end: endSocket,
      drain: () => socket.resume(),
      close: (reason) => {
        if (reason === 'finished') endSocket();
        else socket.destroy();
        done();
      },
    };
    const arrives = (work: () => void) => (): void => {
      host.arrived();
      work();
    };
    socket.on('data', (bytes) => {
      host.arrived();
      guest.send(bytes);
      if (guest.buffered > MOST_BUFFERED) socket.pause();
    });
    socket.once(
      'end',
      arrives(() => guest.end()),
    );
    socket.once(
      'error',
      arrives(() => guest.destroy()),
    );
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (!socket.readableEnded) guest.destroy();
      done();
    });
  }
}
