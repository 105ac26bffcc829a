// A cable between processes: frames arrive whole and in order, wait for a card without room, and liars are cut off.
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NO_DOORS } from '../../src/doors.ts';
import type { NetBackend, NetCard } from '../../src/net/backend.ts';
import { SocketNet } from '../../src/node/socket-net.ts';
import { HandClock } from '../devices/hand-clock.ts';
import { eventually } from '../eventually.ts';

const LOOPBACK = { address: '127.0.0.1', port: 0 };
const open: NetBackend[] = [];
afterEach(() => {
  for (const net of open.splice(0)) net.close?.();
});

class Card implements NetCard {
  readonly takes = { checksum: false, segments: false };
  readonly clock = new HandClock();
  readonly doors = NO_DOORS;
  readonly got: number[][] = [];
  room = Number.POSITIVE_INFINITY;
  readonly state = { begun: 0, expected: 0 };
  readonly host = {
    begin: () => this.#count('begun'),
    expect: () => this.#count('expected'),
    arrived: () => {},
  };

  constructor(net: NetBackend) {
    open.push(net);
    net.attach(this);
  }

  #count(what: 'begun' | 'expected'): () => void {
    this.state[what]++;
    return () => void this.state[what]--;
  }

  setLink(): void {}

  receive(frame: Uint8Array): boolean {
    if (this.got.length >= this.room) return false;
    this.got.push([...frame]);
    return true;
  }
}

describe('a cable between processes', () => {
  it('carries frames both ways, whole and in order', async () => {
    const server = await SocketNet.listen(LOOPBACK);
    const near = new Card(server);
    expect(near.state).toEqual({ begun: 0, expected: 1 });
    const client = await SocketNet.connect({ ...LOOPBACK, port: server.port });
    const far = new Card(client);
    const frames = Array.from({ length: 200 }, (_, n) => Array.from({ length: (n * 37) % 1500 }, () => n & 0xff));
    for (const frame of frames) client.send(Uint8Array.from(frame));
    await eventually(() => expect(near.got).toEqual(frames));
    expect([near.state, far.state]).toEqual(Array(2).fill({ begun: 1, expected: 0 }));
    server.send(Uint8Array.of(1, 2, 3));
    await eventually(() => expect(far.got).toEqual([[1, 2, 3]]));
  });

  it('holds frames for a card without room', async () => {
    const server = await SocketNet.listen(LOOPBACK);
    const near = new Card(server);
    near.room = 2;
    const client = await SocketNet.connect({ ...LOOPBACK, port: server.port });
    new Card(client);
    for (let n = 0; n < 6; n++) client.send(Uint8Array.of(n));
    await eventually(() => expect(near.got).toHaveLength(2));
    near.room = 10;
    server.ready();
    await eventually(() => expect(near.got.flat()).toEqual([0, 1, 2, 3, 4, 5]));
  });

  it('takes another end after the first one left', async () => {
    const server = await SocketNet.listen(LOOPBACK);
    const near = new Card(server);
    const first = await SocketNet.connect({ ...LOOPBACK, port: server.port });
    await eventually(() => expect(near.state.begun).toBe(1));
    first.close();
    await eventually(() => expect(near.state).toEqual({ begun: 0, expected: 1 }));
    const second = await SocketNet.connect({ ...LOOPBACK, port: server.port });
    open.push(second);
    second.send(Uint8Array.of(9));
    await eventually(() => expect(near.got).toEqual([[9]]));
  });

  it('cuts off whoever announces a frame of four thousand million bytes', async () => {
    const lines: string[] = [];
    const server = await SocketNet.listen(LOOPBACK, (line) => lines.push(line));
    new Card(server);
    const socket = connect(server.port, LOOPBACK.address);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1));
    await closed;
    expect(lines).toEqual(['the other end of a cable sent a frame of 4294967295 bytes; the limit is 65550']);
  });

  it('is refused where nobody listens, or where somebody does already', async () => {
    const server = await SocketNet.listen(LOOPBACK);
    const { port } = server;
    await expect(SocketNet.listen({ ...LOOPBACK, port })).rejects.toThrow(
      /cannot listen at 127.0.0.1:\d+: .*EADDRINUSE/,
    );
    server.close();
    await expect(SocketNet.connect({ ...LOOPBACK, port })).rejects.toThrow(/cannot connect to 127.0.0.1:\d+/);
  });
});
