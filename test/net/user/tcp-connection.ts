// A TCP connection of the guest to port 80 outside, established; what is said on it counts from its first numbers.
import type { FakeStream } from './fake-host.ts';
import { Guest, IP, textBytes } from './guest.ts';

const PORT = 80;
const GUEST_PORT = 40000;
export const ISS = 1000;
export const MSS_1460 = [2, 4, 5, 0xb4];
export const SCALE_7 = [1, 3, 3, 7];

export class Connection {
  readonly guest: Guest;
  /** What the network sends next, and what it has acknowledged. */
  theirs = 0;

  private constructor(guest: Guest) {
    this.guest = guest;
  }

  static async open(options: number[] = [...MSS_1460, ...SCALE_7], window = 0xffff): Promise<Connection> {
    const tcp = new Connection(await Guest.on());
    tcp.say({ seq: ISS, flags: 'S', options, ack: 0 });
    tcp.stream.events.connected();
    const [synAck] = tcp.guest.segments();
    tcp.theirs = synAck.seq + 1;
    tcp.say({ seq: ISS + 1, window });
    tcp.guest.segments();
    return tcp;
  }

  get stream(): FakeStream {
    return this.guest.sockets.streams[0];
  }

  say(segment: object): void {
    this.guest.sendTcp(IP.outside, { source: GUEST_PORT, destination: PORT, ack: this.theirs, ...segment });
  }

  toGuest(text: string | Uint8Array): void {
    this.stream.events.data(typeof text === 'string' ? Uint8Array.from(textBytes(text)) : text);
  }

  /** The segments that came since the last call: flags, number, acknowledgement, length. */
  shape(): (string | number)[][] {
    return this.guest.segments().map(({ flags, seq, ack, data }) => [flags, seq - this.theirs, ack - ISS, data.length]);
  }
}
