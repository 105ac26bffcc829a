// Sockets of a guest at Unix sockets of the host: Firecracker's handshake, connections both ways, and their ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Reg } from '../../src/devices/virtio/transport-mmio.ts';
import { HEADER_BYTES, Op, readHeader, writeHeader } from '../../src/devices/virtio/vsock-packet.ts';
import { VsockHub } from '../../src/machine/host/vsock-hub.ts';
import { NO_HOST } from '../../src/net/backend.ts';
import { VsockUnix } from '../../src/node/vsock-unix.ts';
import { MmioDriver } from '../devices/virtio/mmio-driver.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const [RECEIVE, TRANSMIT] = [0, 1];
const GUEST_PORT = 1000;

let folder = '';
let path = '';
let unix: VsockUnix;
let guest: ReturnType<typeof makeGuest>;

/** A guest that keeps what it receives, and sends what the test says. */
function makeGuest(hub: VsockHub) {
  const driver = new MmioDriver(hub.connectDevice(3)).up();
  const rooms = Array.from({ length: 8 }, () => driver.ram.room(1000));
  let next = 0;
  for (const room of rooms) driver.request(RECEIVE, [room]);
  const received = () =>
    driver.rings[RECEIVE].used().map(({ written }) => {
      const room = rooms[next++ % rooms.length];
      const bytes = Uint8Array.from(driver.ram.at(room)).slice(0, written);
      driver.rings[RECEIVE].offer([room]);
      return { ...readHeader(bytes), text: new TextDecoder().decode(bytes.slice(HEADER_BYTES)) };
    });
  const send = (op: number, hostPort: number, guestPort = GUEST_PORT, text = '', flags = 0): void => {
    const header = { sourceCid: 3n, destinationCid: 2n, sourcePort: guestPort, destinationPort: hostPort, type: 1 };
    const bytes = writeHeader({ ...header, length: text.length, op, flags, bufferBytes: 65536, forwarded: 0 });
    driver.request(TRANSMIT, [driver.ram.put([...bytes, ...utf8(text)])]);
    driver.set(Reg.QUEUE_NOTIFY, RECEIVE);
  };
  /** The next packet, when it has come. */
  const waiting: ReturnType<typeof received> = [];
  const packet = async () => {
    for (;;) {
      waiting.push(...received());
      const first = waiting.shift();
      if (first) return first;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  return { send, packet };
}

const nextData = (socket: Socket): Promise<string> =>
  new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())));
const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vmlaunch-vsock-'));
  path = join(folder, 'v.sock');
  const hub = new VsockHub(NO_HOST);
  guest = makeGuest(hub);
  unix = await VsockUnix.open(hub, path);
});
afterEach(async () => {
  await unix.close();
  rmSync(folder, { recursive: true });
});

describe('a Unix socket for a guest', () => {
  it('leads to a port of the guest after CONNECT', async () => {
    const socket = connect(path);
    socket.write('CONNECT 52\nearly');
    const request = await guest.packet();
    expect(request).toMatchObject({ op: Op.REQUEST, destinationPort: 52 });
    const answer = nextData(socket);
    guest.send(Op.RESPONSE, request.sourcePort, 52);
    expect(await answer).toBe(`OK ${request.sourcePort}\n`);
    expect(await guest.packet()).toMatchObject({ op: Op.RW, text: 'early' });
    const data = nextData(socket);
    guest.send(Op.RW, request.sourcePort, 52, 'from the guest');
    expect(await data).toBe('from the guest');
    const end = closed(socket);
    guest.send(Op.SHUTDOWN, request.sourcePort, 52, '', 3);
    expect(await guest.packet()).toMatchObject({ op: Op.RST });
    await end;
  });

  it('is closed where the guest refuses, and for any other request', async () => {
    const socket = connect(path);
    socket.write('CONNECT 52\n');
    const { sourcePort } = await guest.packet();
    const end = closed(socket);
    guest.send(Op.RST, sourcePort, 52);
    await end;
    for (const request of ['HELLO\n', 'CONNECT 5000000000\n', 'x'.repeat(100)]) {
      const other = connect(path);
      other.write(request);
      await closed(other);
    }
  });

  it('is where the guest finds ports of the host', async () => {
    const accepted = new Promise<Socket>((resolve) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        server.close();
        resolve(socket);
      });
      server.listen(`${path}_77`, () => guest.send(Op.REQUEST, 77));
    });
    const socket = await accepted;
    expect(await guest.packet()).toMatchObject({ op: Op.RESPONSE, sourcePort: 77 });
    const data = nextData(socket);
    guest.send(Op.RW, 77, GUEST_PORT, 'ping');
    expect(await data).toBe('ping');
    socket.end('pong');
    expect(await guest.packet()).toMatchObject({ op: Op.RW, text: 'pong' });
    expect(await guest.packet()).toMatchObject({ op: Op.SHUTDOWN, flags: 2 });
    const end = new Promise((resolve) => socket.once('end', resolve));
    socket.resume();
    guest.send(Op.SHUTDOWN, 77, GUEST_PORT, '', 3);
    await end;
  });

  it('refuses what nobody listens on', async () => {
    guest.send(Op.REQUEST, 78);
    expect(await guest.packet()).toMatchObject({ op: Op.RST, sourcePort: 78 });
  });

  it('breaks the connection when the program of the host dies', async () => {
    const socket = connect(path);
    socket.write('CONNECT 52\n');
    const { sourcePort } = await guest.packet();
    guest.send(Op.RESPONSE, sourcePort, 52);
    await nextData(socket);
    socket.destroy();
    expect(await guest.packet()).toMatchObject({ op: Op.SHUTDOWN, flags: 2 });
    guest.send(Op.RW, sourcePort, 52, 'nobody hears this');
    expect(await guest.packet()).toMatchObject({ op: Op.RST });
  });

  it('takes the place of a socket that a process left behind when it was killed, and of nothing else', async () => {
    const left = `${path}3`;
    const code = `require('net').createServer().listen(${JSON.stringify(left)}, () => console.log('listening'))`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await expect(VsockUnix.open(new VsockHub(NO_HOST), left)).rejects.toThrow('listen EADDRINUSE');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(existsSync(left)).toBe(true);
    const other = await VsockUnix.open(new VsockHub(NO_HOST), left);
    await other.close();
    writeFileSync(left, 'not a socket');
    await expect(VsockUnix.open(new VsockHub(NO_HOST), left)).rejects.toThrow('listen EADDRINUSE');
  });

  it('must have a place, and leaves it', async () => {
    await expect(VsockUnix.open(new VsockHub(NO_HOST), path)).rejects.toThrow(`uds_path=${path}: listen EADDRINUSE`);
    const other = await VsockUnix.open(new VsockHub(NO_HOST), `${path}2`);
    await other.close();
    expect(existsSync(`${path}2`)).toBe(false);
  });
});
