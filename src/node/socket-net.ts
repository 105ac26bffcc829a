/**
 * A cable between two processes: frames over one TCP connection, each with its length before it in four bytes, as QEMU's
 * `-netdev socket` has them. The other end may be a QEMU.
 */
import { createServer, type Server, Socket } from 'node:net';
import { check, isObject, isPort, isText } from '../checks.ts';
import type { NetBackend, NetCard } from '../net/backend.ts';
import type { SocketAddress } from '../net/sockets.ts';
import { SocketWriter } from './socket-writer.ts';

const isAddress = isObject([], { address: isText, port: isPort });
const LENGTH_BYTES = 4;
const MOST_FRAME = 65550;
/** Bytes on their way beyond which frames are dropped, as cables do. */
const MOST_QUEUED = 4 << 20;

export class SocketNet implements NetBackend {
  readonly takesOffload = false;
  readonly #log: (line: string) => void;
  #server: Server | null = null;
  #socket: Socket | null = null;
  #writer: SocketWriter | null = null;
  #card: NetCard | null = null;
  #received = Buffer.alloc(0);
  #release = (): void => {};

  private constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** Waits for the other end at a port; one at a time. Rejects if the port cannot be had. */
  static async listen(at: SocketAddress, log: (line: string) => void = () => {}): Promise<SocketNet> {
    check('SocketNet.listen', at, isAddress);
    const { address, port } = at;
    const net = new SocketNet(log);
    const server = createServer((socket) => {
      if (net.#socket) socket.destroy();
      else net.#plug(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(new Error(`cannot listen at ${address}:${port}: ${error.message}`)));
      server.listen(port, address, resolve);
    });
    net.#server = server.on('error', () => {});
    return net;
  }

  /** Connects with the other end. Rejects if nothing listens. */
  static async connect(to: SocketAddress, log: (line: string) => void = () => {}): Promise<SocketNet> {
    check('SocketNet.connect', to, isAddress);
    const { address, port } = to;
    const net = new SocketNet(log);
    const socket = new Socket();
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => reject(new Error(`cannot connect to ${address}:${port}: ${error.message}`)));
      socket.connect(port, address, resolve);
    });
    socket.removeAllListeners('error');
    net.#plug(socket);
    return net;
  }

  /** The port that is listened at; 0 for the end that connected. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  attach(card: NetCard): void {
    this.#card = card;
    this.#expect();
    this.#deliver();
  }

  send(frame: Uint8Array): void {
    if (!this.#writer || this.#writer.buffered > MOST_QUEUED) return;
    const bytes = Buffer.alloc(LENGTH_BYTES + frame.length);
    bytes.writeUInt32BE(frame.length);
    bytes.set(frame, LENGTH_BYTES);
    this.#writer.write(bytes);
  }

  ready(): void {
    this.#deliver();
  }

  close(): void {
    this.#release();
    this.#server?.close();
    this.#socket?.destroy();
  }

  #plug(socket: Socket): void {
    this.#socket = socket;
    this.#writer = new SocketWriter(socket, () => {});
    this.#received = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      this.#received = this.#received.length > 0 ? Buffer.concat([this.#received, bytes]) : bytes;
      this.#deliver();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#socket = null;
      this.#writer = null;
      this.#expect();
    });
    this.#expect();
  }

  /** While there is another end, it is unknown when it answers; before, it is unknown when it comes. */
  #expect(): void {
    this.#release();
    this.#release = (this.#socket ? this.#card?.host.begin() : this.#card?.host.expect()) ?? (() => {});
  }

  #deliver(): void {
    const socket = this.#socket;
    const card = this.#card;
    if (!card) return;
    card.host.arrived();
    let at = 0;
    let hasRoom = true;
    for (const all = this.#received; all.length >= at + LENGTH_BYTES; ) {
      const length = all.readUInt32BE(at);
      if (length > MOST_FRAME) {
        this.#log(`the other end of a cable sent a frame of ${length} bytes; the limit is ${MOST_FRAME}`);
        socket?.destroy();
        at = all.length;
        break;
      }
      const end = at + LENGTH_BYTES + length;
      if (end > all.length) break;
      hasRoom = card.receive(all.subarray(at + LENGTH_BYTES, end));
      if (!hasRoom) break;
      at = end;
    }
    this.#received = this.#received.subarray(at);
    if (hasRoom) socket?.resume();
    else socket?.pause();
  }
}
