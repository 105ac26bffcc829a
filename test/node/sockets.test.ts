// Node's sockets for the user-mode network, on loopback: streams with half-closing and back-pressure, failures, datagrams.
import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { StreamEvents } from '../../src/net/sockets.ts';
import { nodeSockets } from '../../src/node/sockets.ts';
import { eventually } from '../eventually.ts';
import { heldBy } from '../held-bytes.ts';

const LOOPBACK = '127.0.0.1';
const sockets = nodeSockets();
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

class Log implements StreamEvents {
  readonly lines: string[] = [];
  bytes = 0;
  connected(): void {
    this.lines.push('connected');
  }
  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.lines.push(new TextDecoder().decode(bytes.subarray(0, 20)));
  }
  ended(): void {
    this.lines.push('ended');
  }
  drained(): void {
    this.lines.push('drained');
  }
  failed(why: string): void {
    this.lines.push(why);
  }
}

async function serve(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    cleanups.push(() => socket.destroy());
    onSocket(socket);
  });
  cleanups.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return (server.address() as AddressInfo).port;
}

describe('a stream', () => {
  it('goes on hearing after it has ended what it says', async () => {
    const port = await serve((socket) => {
      let text = '';
      socket.on('data', (bytes) => (text += bytes));
      socket.on('end', () => socket.end(`heard ${text}`));
    });
    const log = new Log();
    const stream = sockets.connect({ address: LOOPBACK, port }, log);
    stream.write(new TextEncoder().encode('hello'));
    stream.end();
    await eventually(() => expect(log.lines).toEqual(['connected', 'heard hello', 'ended']));
  });

  it('is refused where nobody listens', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const log = new Log();
    sockets.connect({ address: LOOPBACK, port }, log);
    const none = new Log();
    sockets.connect({ address: LOOPBACK, port: 0 }, none);
    await eventually(() => expect([log.lines, none.lines]).toEqual([['refused'], ['refused']]));
  });

  it('counts what the other side does not take, and says when it is taken', async () => {
    let other!: Socket;
    const port = await serve((socket) => {
      socket.pause();
      other = socket;
    });
    const log = new Log();
    const stream = sockets.connect({ address: LOOPBACK, port }, log);
    await eventually(() => expect(log.lines).toEqual(['connected']));
    for (let n = 0; n < 400; n++) stream.write(new Uint8Array(65536));
    expect(stream.buffered).toBeGreaterThan(0);
    other.resume();
    await eventually(() => expect(log.lines).toContain('drained'));
    expect(stream.buffered).toBe(0);
    stream.abort();
  });

  it('holds single bytes that the other side does not take in little more than bytes, and in order', async () => {
    let other!: Socket;
    const port = await serve((socket) => {
      socket.pause();
      other = socket;
    });
    const log = new Log();
    const stream = sockets.connect({ address: LOOPBACK, port }, log);
    await eventually(() => expect(log.lines).toEqual(['connected']));
    stream.write(new Uint8Array(16 << 20));
    const count = 200_000;
    const held = heldBy(() => {
      for (let n = 0; n < count; n++) stream.write(Uint8Array.of(n % 251));
    });
    expect(stream.buffered).toBeGreaterThan(count);
    expect(held).toBeLessThan(3 * count);
    stream.end();
    let wrong = 0;
    let at = -(16 << 20);
    const end = new Promise((resolve) => other.once('end', resolve));
    other.on('data', (bytes) => {
      for (const byte of bytes) {
        if (byte !== (at < 0 ? 0 : at % 251)) wrong++;
        at++;
      }
    });
    other.resume();
    await end;
    expect([wrong, at]).toEqual([0, count]);
  });

  it('sends what was written before it finishes', async () => {
    let bytes = 0;
    let hasEnded = false;
    const port = await serve((socket) => {
      socket.on('data', (part) => (bytes += part.length));
      socket.on('end', () => (hasEnded = true));
    });
    const log = new Log();
    const stream = sockets.connect({ address: LOOPBACK, port }, log);
    await eventually(() => expect(log.lines).toEqual(['connected']));
    for (let n = 0; n < 100; n++) stream.write(new Uint8Array(65536));
    stream.finish();
    await eventually(() => expect([bytes, hasEnded]).toEqual([100 * 65536, true]));
    expect(log.lines).toEqual(['connected']);
  });

  it('resets the other side when it is aborted, and is silent then', async () => {
    const errors: (string | undefined)[] = [];
    const port = await serve((socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code));
      socket.write('hello');
    });
    const log = new Log();
    const stream = sockets.connect({ address: LOOPBACK, port }, log);
    await eventually(() => expect(log.lines).toEqual(['connected', 'hello']));
    stream.abort();
    await eventually(() => expect(errors).toEqual(['ECONNRESET']));
    expect(log.lines).toEqual(['connected', 'hello']);
  });
});

describe('a listener', () => {
  it('hands over connections, and closes', async () => {
    const log = new Log();
    const listener = await sockets.listen({ address: LOOPBACK, port: 0 }, (from, open) => {
      log.lines.push(from.address);
      open(log).write(new TextEncoder().encode('welcome'));
    });
    const caller = netConnect(listener.port, LOOPBACK);
    let heard = '';
    caller.on('data', (bytes) => (heard += bytes));
    caller.end('hi');
    await eventually(() => expect([heard, log.lines]).toEqual(['welcome', [LOOPBACK, 'hi', 'ended']]));
    await expect(sockets.listen({ address: LOOPBACK, port: listener.port }, () => {})).rejects.toThrow(
      new RegExp(`cannot listen at 127.0.0.1:${listener.port}: .*EADDRINUSE`),
    );
    caller.destroy();
    listener.close();
  });
});

describe('datagrams', () => {
  it('to one address come back from there, and are refused where nobody is', async () => {
    const server = createSocket('udp4');
    server.on('message', (bytes, { port, address }) => server.send(`re: ${bytes}`, port, address));
    await new Promise<void>((resolve) => server.bind(0, LOOPBACK, resolve));
    const to = { address: LOOPBACK, port: server.address().port };
    const heard: string[] = [];
    const ask = (): ReturnType<typeof sockets.datagrams> => {
      const receive = (bytes: Uint8Array): void => void heard.push(new TextDecoder().decode(bytes));
      const socket = sockets.datagramsTo?.(to, receive, () => heard.push('refused'));
      if (!socket) throw new Error('no datagramsTo');
      cleanups.push(() => socket.close());
      socket.send(new TextEncoder().encode('one'), to);
      return socket;
    };
    ask();
    await eventually(() => expect(heard).toEqual(['re: one']));
    await new Promise<void>((resolve) => server.close(() => resolve()));
    ask().send(new TextEncoder().encode('two'), to);
    await eventually(() => expect(heard.slice(0, 2)).toEqual(['re: one', 'refused']));
  });

  it('go out from a port of their own and come back to it', async () => {
    const server = createSocket('udp4');
    cleanups.push(() => server.close());
    server.on('message', (bytes, { port, address }) => server.send(`re: ${bytes}`, port, address));
    await new Promise<void>((resolve) => server.bind(0, LOOPBACK, resolve));
    const { port } = server.address();
    const got: string[] = [];
    const socket = sockets.datagrams((bytes, from) => got.push(`${new TextDecoder().decode(bytes)} ${from.port}`));
    socket.send(new TextEncoder().encode('one'), { address: LOOPBACK, port });
    await eventually(() => expect(got).toEqual([`re: one ${port}`]));
    socket.send(new Uint8Array(1), { address: LOOPBACK, port: 0 });
    socket.close();
    socket.send(new Uint8Array(1), { address: LOOPBACK, port });
  });

  it('come to a port of choice, which cannot be had twice', async () => {
    const got: number[] = [];
    const bound = await sockets.bindDatagrams({ address: LOOPBACK, port: 0 }, (bytes) => got.push(...bytes));
    await expect(sockets.bindDatagrams({ address: LOOPBACK, port: bound.port }, () => {})).rejects.toThrow(
      /EADDRINUSE/,
    );
    const other = sockets.datagrams(() => {});
    other.send(Uint8Array.of(7), { address: LOOPBACK, port: bound.port });
    await eventually(() => expect(got).toEqual([7]));
    other.close();
    bound.close();
  });
});

describe('the host', () => {
  it('cancels timers', async () => {
    const fired: number[] = [];
    sockets.after(1, () => fired.push(1))();
    sockets.after(1, () => fired.push(2));
    await eventually(() => expect(fired).toEqual([2]));
  });
});
