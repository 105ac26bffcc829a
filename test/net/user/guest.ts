// A guest on the user-mode network: puts frames together by itself, and takes apart what it is sent.
import { NO_DOORS } from '../../../src/doors.ts';
import type { NetCard, Offload } from '../../../src/net/backend.ts';
import type { UserNetOptions } from '../../../src/net/user/options.ts';
import { UserNet } from '../../../src/net/user/user-net.ts';
import { HandClock } from '../../devices/hand-clock.ts';
import { FakeHost } from './fake-host.ts';

export const GUEST_MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
export const IP = { guest: '10.0.2.15', gateway: '10.0.2.2', dns: '10.0.2.3', outside: '198.51.100.7' } as const;

export const ipBytes = (ip: string): number[] => ip.split('.').map(Number);
export const word = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
export const long = (value: number): number[] => [...word(value >>> 16), ...word(value & 0xffff)];
export const textBytes = (text: string): number[] => [...new TextEncoder().encode(text)];

/** RFC 1071, written differently from the code under test. */
export function internetSum(bytes: readonly number[]): number {
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 2) sum += BigInt(bytes[at] * 256 + (bytes[at + 1] ?? 0));
  return Number(sum === 0n ? 0n : ((sum - 1n) % 0xffffn) + 1n);
}

const inverted = (sum: number): number[] => word(~sum & 0xffff);

export interface IpPacket {
  from: string;
  to: string;
  protocol: number;
  ttl: number;
  flags: number;
  payload: number[];
  frame: number[];
  offload?: Offload;
}

export interface TcpSegment {
  from: string;
  source: number;
  destination: number;
  seq: number;
  ack: number;
  flags: string;
  window: number;
  options: number[];
  data: number[];
  offload?: Offload;
}

const TCP_FLAGS = 'FSRPA';

export class Guest implements NetCard {
  readonly clock = new HandClock();
  readonly doors = NO_DOORS;
  readonly sockets = new FakeHost();
  readonly frames: { bytes: number[]; offload?: Offload }[] = [];
  takes = { checksum: false, segments: false };
  /** Frames that the card still has room for. */
  room = Number.POSITIVE_INFINITY;
  /** Which of the coming frames the guest loses, counted from 0. */
  loses: (index: number) => boolean = () => false;
  pending = 0;
  expected = 0;
  arrivals = 0;
  net!: UserNet;
  #count = 0;
  #id = 0;

  static async on(options: UserNetOptions = {}): Promise<Guest> {
    const guest = new Guest();
    guest.net = await UserNet.create(options, guest.sockets);
    guest.net.attach(guest);
    return guest;
  }

  readonly host = {
    begin: () => this.#counted('pending'),
    expect: () => this.#counted('expected'),
    arrived: () => {
      this.arrivals++;
    },
  };

  #counted(what: 'pending' | 'expected'): () => void {
    this[what]++;
    let isDone = false;
    return () => {
      if (!isDone) this[what]--;
      isDone = true;
    };
  }

  receive(frame: Uint8Array, offload?: Offload): boolean {
    if (this.room <= 0) return false;
    this.room--;
    if (!this.loses(this.#count++)) this.frames.push({ bytes: [...frame], offload });
    return true;
  }

  setLink(): void {}

  /** Frames received since the last call. */
  taken(): { bytes: number[]; offload?: Offload }[] {
    return this.frames.splice(0);
  }

  send(to: readonly number[], type: number, payload: readonly number[], offload?: Offload): void {
    this.net.send(Uint8Array.from([...to, ...GUEST_MAC, ...word(type), ...payload]), offload);
    this.net.flush();
  }

  sendIp(
    to: string,
    protocol: number,
    payload: readonly number[],
    {
      from = IP.guest as string,
      ttl = 64,
      fragment = 0,
      id = this.#id++,
      offload = undefined as Offload | undefined,
    } = {},
  ): void {
    const head = [0x45, 0, ...word(20 + payload.length), ...word(id), ...word(fragment), ttl, protocol];
    const addresses = [...ipBytes(from), ...ipBytes(to)];
    const sum = inverted(internetSum([...head, 0, 0, ...addresses]));
    this.send([0x52, 0x55, 10, 0, 2, 2], 0x0800, [...head, ...sum, ...addresses, ...payload], offload);
  }

  sendUdp(
    source: number,
    to: string,
    destination: number,
    data: readonly number[],
    how: { from?: string; ttl?: number } = {},
  ): void {
    this.sendIp(to, 17, udp(how.from ?? IP.guest, source, to, destination, data), how);
  }

  sendTcp(to: string, segment: Partial<TcpSegment> & { source: number; destination: number }): void {
    const { source, destination, seq = 0, ack = 0, flags = 'A', window = 0xffff, options = [], data = [] } = segment;
    const bits = [...flags].reduce((all, flag) => all | (1 << TCP_FLAGS.indexOf(flag)), 0);
    const head = [...word(source), ...word(destination), ...long(seq), ...long(ack)];
    const tail = [((20 + options.length) / 4) << 4, bits, ...word(window)];
    const pseudo = [...ipBytes(IP.guest), ...ipBytes(to), 0, 6, ...word(20 + options.length + data.length)];
    const sum = inverted(internetSum([...pseudo, ...head, ...tail, 0, 0, 0, 0, ...options, ...data]));
    this.sendIp(to, 6, [...head, ...tail, ...sum, 0, 0, ...options, ...data]);
  }

  /** IPv4 packets received since the last call; their header checksums must be right. */
  packets(): IpPacket[] {
    return this.taken()
      .filter(({ bytes }) => bytes[12] === 8 && bytes[13] === 0)
      .map(({ bytes, offload }) => {
        const header = bytes.slice(14, 34);
        if (internetSum(header) !== 0xffff) throw new Error('the checksum of an IP header is wrong');
        return {
          from: header.slice(12, 16).join('.'),
          to: header.slice(16, 20).join('.'),
          protocol: header[9],
          ttl: header[8],
          flags: header[6] * 256 + header[7],
          payload: bytes.slice(34, 14 + header[2] * 256 + header[3]),
          frame: bytes,
          offload,
        };
      });
  }

  /** TCP segments received since the last call; their checksums must be right, or left undone in the right way. */
  segments(): TcpSegment[] {
    return this.packets()
      .filter(({ protocol }) => protocol === 6)
      .map(({ from, to, payload, offload }) => {
        const pseudo = [...ipBytes(from), ...ipBytes(to), 0, 6, ...word(payload.length)];
        const sum = offload ? internetSum(pseudo) : internetSum([...pseudo, ...payload]);
        const wanted = offload ? payload[16] * 256 + payload[17] : 0xffff;
        if (sum !== wanted) throw new Error('the checksum of a TCP segment is wrong');
        const at = (index: number, bytes: number): number =>
          payload.slice(index, index + bytes).reduce((value, byte) => value * 256 + byte, 0);
        const header = (payload[12] >> 4) * 4;
        return {
          from,
          source: at(0, 2),
          destination: at(2, 2),
          seq: at(4, 4),
          ack: at(8, 4),
          flags: [...TCP_FLAGS].filter((_, bit) => payload[13] & (1 << bit)).join(''),
          window: at(14, 2),
          options: payload.slice(20, header),
          data: payload.slice(header),
          offload,
        };
      });
  }
}

/** A UDP datagram with its checksum. */
export function udp(from: string, source: number, to: string, destination: number, data: readonly number[]): number[] {
  const head = [...word(source), ...word(destination), ...word(8 + data.length)];
  const pseudo = [...ipBytes(from), ...ipBytes(to), 0, 17, ...word(8 + data.length)];
  return [...head, ...inverted(internetSum([...pseudo, ...head, 0, 0, ...data])), ...data];
}

/** The addresses and data of a UDP packet, whose checksum must be right. */
export function readUdp({ from, to, payload }: IpPacket): { from: string; to: string; data: number[] } {
  const pseudo = [...ipBytes(from), ...ipBytes(to), 0, 17, ...word(payload.length)];
  if (internetSum([...pseudo, ...payload]) !== 0xffff) throw new Error('the checksum of a UDP datagram is wrong');
  const port = (at: number): number => payload[at] * 256 + payload[at + 1];
  return { from: `${from}:${port(0)}`, to: `${to}:${port(2)}`, data: payload.slice(8) };
}
