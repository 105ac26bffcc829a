/**
 * Socket device (virtio 1.2, 5.10 "Socket Device"): streams between the guest and the host, whose context ID is 2. What a
 * guest gets wrong about one connection breaks that connection; what it gets wrong about a packet needs a reset.
 */
import { type Doors, NO_DOORS } from '../../doors.ts';
import { copyOf } from '../../saved.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GuestError } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';
import {
  BUFFER_BYTES,
  type VsockAction,
  type VsockCarrier,
  VsockConnection,
  type VsockConnectionState,
} from './vsock-connection.ts';
import {
  HEADER_BYTES,
  type Header,
  HOST_CID,
  MAX_PAYLOAD_BYTES,
  Op,
  readHeader,
  STREAM,
  writeHeader,
} from './vsock-packet.ts';

/** virtio 1.2, 5.10.3 "Feature bits". */
export const VsockFeature = { STREAM: 1n } as const;
const Queue = { RECEIVE: 0, TRANSMIT: 1 } as const;
const QUEUE_SIZE = 128;
const MAX_CONNECTIONS = 1024;
/** Answers that wait for buffers of the driver; beyond, its packets have to wait. */
const MAX_WAITING = 1024;
/** Ports below are the system's by custom; `connect` takes its own from here on. */
const FIRST_EPHEMERAL = 0x8000_0000;
const FIRST_GUEST_CID = 3;
const LAST_CID = 0xffff_fffe;

/** Who accepts connections to a port of the host; undefined if nothing listens. */
export type VsockAcceptor = (port: number) => ((connection: VsockConnection) => void) | undefined;

/** Connections by their ports, in the order in which they were made; `turn` is the place among those that may send. */
export type VsockState = {
  connections: { hostPort: number; guestPort: number; turn: number | null; state: VsockConnectionState }[];
  answers: Uint8Array[];
  nextPort: number;
};

export class VirtioVsock implements VirtioDevice, VsockCarrier {
  readonly id = 19;
  readonly name = 'virtio-vsock';
  readonly queues = [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE];
  readonly features = VsockFeature.STREAM;
  readonly config = new Uint8Array(8);
  readonly #cid: bigint;
  readonly #accept: VsockAcceptor;
  readonly #connections = new Map<string, VsockConnection>();
  /** Connections that may have something to send, in the order of their turns. */
  readonly #eager = new Set<VsockConnection>();
  readonly #answers: Uint8Array[] = [];
  readonly #connect: (guestPort: number) => VsockConnection;
  readonly #act: (hostPort: number, guestPort: number, action: VsockAction, bytes: Uint8Array) => void;
  #host: VirtioHost | null = null;
  #isFilling = false;
  #nextPort = FIRST_EPHEMERAL;

  /** Throws RangeError where the context ID is none of a guest. */
  constructor(cid: number, accept: VsockAcceptor, doors: Doors = NO_DOORS) {
    if (!Number.isInteger(cid) || cid < FIRST_GUEST_CID || cid > LAST_CID) {
      throw new RangeError(`guest-cid ${cid} is not possible: ${FIRST_GUEST_CID} to ${LAST_CID}`);
    }
    this.#cid = BigInt(cid);
    this.#accept = accept;
    this.#connect = doors.door('vsock.connect', (guestPort: number) => this.#open(guestPort));
    this.#act = doors.door('vsock', (hostPort: number, guestPort: number, action: VsockAction, bytes: Uint8Array) =>
      this.#connections.get(key(hostPort, guestPort))?.perform(action, bytes),
    );
    new DataView(this.config.buffer).setBigUint64(0, this.#cid, true);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** Connects to a port of the guest; `events.open` tells when it accepted. */
  connect(guestPort: number): VsockConnection {
    return this.#connect(guestPort);
  }

  /** The host's end of a connection does something. */
  act({ hostPort, guestPort }: VsockConnection, action: VsockAction, bytes: Uint8Array = new Uint8Array(0)): void {
    this.#act(hostPort, guestPort, action, bytes);
  }

  #open(guestPort: number): VsockConnection {
    while (this.#connections.has(key(this.#nextPort, guestPort))) this.#takePort();
    const connection = this.#add(this.#takePort(), guestPort, false);
    this.tell(connection, Op.REQUEST);
    this.wake(connection);
    return connection;
  }

  notify(index: number, queue: Virtqueue): void {
    if (index === Queue.RECEIVE) {
      this.#fill();
      this.#resumeTransmit();
    } else if (index === Queue.TRANSMIT) {
      this.#transmit(queue);
      this.#fill();
    }
  }

  save(): VsockState {
    const turns = [...this.#eager];
    const connections = [...this.#connections.values()].map((connection) => {
      const { hostPort, guestPort } = connection;
      const turn = turns.indexOf(connection);
      return { hostPort, guestPort, turn: turn < 0 ? null : turn, state: connection.save() };
    });
    return { connections, answers: copyOf(this.#answers), nextPort: this.#nextPort };
  }

  load({ connections, answers, nextPort }: VsockState): void {
    this.#connections.clear();
    this.#eager.clear();
    const turns: VsockConnection[] = [];
    for (const { hostPort, guestPort, turn, state } of connections) {
      const connection = this.#add(hostPort, guestPort, true);
      connection.load(state);
      if (turn !== null) turns[turn] = connection;
      const listener = this.#accept(hostPort);
      if (listener) listener(connection);
      else queueMicrotask(() => connection.destroy());
    }
    for (const connection of turns) this.#eager.add(connection);
    this.#answers.splice(0, this.#answers.length, ...copyOf(answers));
    this.#nextPort = nextPort;
  }

  reset(): void {
    this.#answers.length = 0;
    for (const connection of [...this.#connections.values()]) connection.close('broken');
  }

  tell(connection: VsockConnection, op: Op, flags = 0): void {
    this.#answers.push(this.#header(connection, op, flags, 0));
  }

  wake(connection: VsockConnection): void {
    if (!connection.isClosed) this.#eager.add(connection);
    this.#fill();
  }

  forget(connection: VsockConnection): void {
    this.#connections.delete(key(connection.hostPort, connection.guestPort));
    this.#eager.delete(connection);
  }

  #takePort(): number {
    const port = this.#nextPort;
    this.#nextPort = port === 0xffff_fffe ? FIRST_EPHEMERAL : port + 1;
    return port;
  }

  #add(hostPort: number, guestPort: number, isOpen: boolean): VsockConnection {
    const connection = new VsockConnection(this, hostPort, guestPort, isOpen);
    this.#connections.set(key(hostPort, guestPort), connection);
    return connection;
  }

  #transmit(queue: Virtqueue): void {
    while (this.#answers.length < MAX_WAITING) {
      const chain = queue.pop();
      if (!chain) return;
      if (chain.readable < HEADER_BYTES) throw new GuestError(`packet of ${chain.readable} bytes`);
      const header = readHeader(chain.read(HEADER_BYTES));
      if (header.length > MAX_PAYLOAD_BYTES || header.length > chain.unread) {
        throw new GuestError(`payload of ${header.length} bytes in a packet of ${chain.readable}`);
      }
      const payload = chain.read(header.length);
      queue.push(chain, 0);
      if (header.sourceCid === this.#cid) this.#hear(header, payload);
    }
  }

  /** The driver gave buffers for the answers that its packets had to wait for. */
  #resumeTransmit(): void {
    const queue = this.#host?.queue(Queue.TRANSMIT);
    if (!queue) return;
    queue.beginTurn();
    this.#transmit(queue);
    this.#fill();
  }

  #hear(header: Header, payload: Uint8Array): void {
    const { destinationPort, sourcePort, op, type, destinationCid } = header;
    const connection = this.#connections.get(key(destinationPort, sourcePort));
    if (type !== STREAM || destinationCid !== HOST_CID) this.#refuse(header);
    else if (connection && op !== Op.REQUEST) connection.hear(header, payload);
    else if (connection || op !== Op.REQUEST) this.#refuse(header);
    else this.#accepted(header);
  }

  #accepted(header: Header): void {
    const { destinationPort, sourcePort } = header;
    const listener = this.#connections.size < MAX_CONNECTIONS ? this.#accept(destinationPort) : undefined;
    if (!listener) {
      this.#refuse(header);
      return;
    }
    const connection = this.#add(destinationPort, sourcePort, true);
    this.tell(connection, Op.RESPONSE);
    connection.hear({ ...header, op: Op.CREDIT_UPDATE }, new Uint8Array(0));
    listener(connection);
  }

  /** A RST is never answered by another. */
  #refuse({ sourcePort, destinationPort, destinationCid, type, op }: Header): void {
    if (op === Op.RST) return;
    const [length, flags, forwarded] = [0, 0, 0];
    this.#answers.push(
      writeHeader({
        sourceCid: destinationCid,
        destinationCid: this.#cid,
        sourcePort: destinationPort,
        destinationPort: sourcePort,
        length,
        type,
        op: Op.RST,
        flags,
        bufferBytes: BUFFER_BYTES,
        forwarded,
      }),
    );
  }

  #header({ hostPort, guestPort, credit }: VsockConnection, op: Op, flags: number, length: number): Uint8Array {
    return writeHeader({
      sourceCid: HOST_CID,
      destinationCid: this.#cid,
      sourcePort: hostPort,
      destinationPort: guestPort,
      length,
      type: STREAM,
      op,
      flags,
      ...credit,
    });
  }

  #fill(): void {
    const queue = this.#host?.queue(Queue.RECEIVE);
    if (!queue || this.#isFilling) return;
    this.#isFilling = true;
    queue.beginTurn();
    try {
      this.#host?.attempt(() => {
        while (this.#sendOne(queue));
      });
    } finally {
      this.#isFilling = false;
    }
  }

  /** Answers first, then the connections in turns. Returns false if there is nothing to send or no buffer for it. */
  #sendOne(queue: Virtqueue): boolean {
    const connection = this.#nextReady();
    if (this.#answers.length === 0 && !connection) return false;
    const chain = queue.pop();
    if (!chain) {
      if (connection) this.#eager.add(connection);
      return false;
    }
    if (chain.writable < HEADER_BYTES) throw new GuestError(`receive buffer of ${chain.writable} bytes`);
    const answer = this.#answers.shift();
    if (answer) chain.write(answer);
    else if (connection) {
      const payload = connection.take(chain.writable - HEADER_BYTES) ?? new Uint8Array(0);
      chain.write(this.#header(connection, Op.RW, 0, payload.length));
      chain.write(payload);
    }
    queue.push(chain, chain.written);
    if (connection && !connection.isClosed) this.#eager.add(connection);
    return true;
  }

  #nextReady(): VsockConnection | null {
    for (const connection of this.#eager) {
      this.#eager.delete(connection);
      if (connection.isReady) return connection;
    }
    return null;
  }
}

const key = (hostPort: number, guestPort: number): string => `${hostPort}:${guestPort}`;
