// The virtual switch: it floods what it does not know, learns from senders, holds for the slow, and leads to an uplink.
import { describe, expect, it } from 'vitest';
import { NO_DOORS } from '../../src/doors.ts';
import type { NetBackend, NetCard } from '../../src/net/backend.ts';
import { Switch } from '../../src/net/switch.ts';
import { HandClock } from '../devices/hand-clock.ts';

const A = [2, 0, 0, 0, 0, 1];
const B = [2, 0, 0, 0, 0, 2];
const ALL = Array(6).fill(0xff);

class Card implements NetCard {
  readonly takes = { checksum: false, segments: false };
  readonly clock = new HandClock();
  readonly doors = NO_DOORS;
  readonly got: number[] = [];
  pending = 0;
  hasRoom = true;
  readonly host = {
    begin: () => {
      this.pending++;
      return () => void this.pending--;
    },
    expect: () => () => {},
    arrived: () => {},
  };
  readonly port: NetBackend;

  constructor(owner: Switch) {
    this.port = owner.port();
    this.port.attach(this);
  }

  setLink(): void {}

  receive(frame: Uint8Array): boolean {
    if (this.hasRoom) this.got.push(frame[14]);
    return this.hasRoom;
  }

  say(from: number[], to: number[], word: number): void {
    this.port.send(Uint8Array.from([...to, ...from, 8, 0, word]));
  }
}

const cards = (owner: Switch, count: number): Card[] => Array.from({ length: count }, () => new Card(owner));

describe('a switch', () => {
  it('floods broadcasts and the unknown to all but the sender', () => {
    const [one, two, three] = cards(new Switch(), 3);
    one.say(A, ALL, 1);
    one.say(A, B, 2);
    expect([one.got, two.got, three.got]).toEqual([[], [1, 2], [1, 2]]);
  });

  it('learns from senders', () => {
    const [one, two, three] = cards(new Switch(), 3);
    two.say(B, ALL, 0);
    one.say(A, B, 1);
    two.say(B, A, 2);
    expect([one.got, two.got, three.got]).toEqual([[0, 2], [1], [0]]);
  });

  it('follows an address that moves', () => {
    const [one, two, three] = cards(new Switch(), 3);
    two.say(B, ALL, 0);
    three.say(B, ALL, 0);
    one.say(A, B, 1);
    expect([two.got, three.got]).toEqual([[0], [0, 1]]);
  });

  it('holds frames for a card without room, in order, and counts those beyond 512', () => {
    const owner = new Switch();
    const [one, two] = cards(owner, 2);
    two.hasRoom = false;
    for (let n = 0; n < 515; n++) one.say(A, B, n & 0xff);
    expect([two.got, owner.dropped]).toEqual([[], 3]);
    two.hasRoom = true;
    two.port.ready?.();
    one.say(A, B, 200);
    expect(two.got).toEqual([...Array.from({ length: 512 }, (_, n) => n & 0xff), 200]);
  });

  it('forgets a port that is closed, and those behind it', () => {
    const [one, two, three] = cards(new Switch(), 3);
    two.say(B, ALL, 0);
    expect(two.pending).toBe(1);
    two.port.close?.();
    one.say(A, B, 1);
    expect([two.got, three.got, two.pending]).toEqual([[], [0, 1], 0]);
  });

  it('leads to a network, which has one card', () => {
    const owner = new Switch();
    const sent: number[] = [];
    let uplink: NetCard | null = null;
    let plugged = 0;
    owner.connect({
      takesOffload: true,
      attach: (card) => {
        uplink = card;
        plugged++;
      },
      send: (frame) => void sent.push(frame[14]),
    });
    const [one, two] = cards(owner, 2);
    one.say(A, ALL, 1);
    uplink!.receive(Uint8Array.from([...A, ...B, 8, 0, 2]));
    expect([plugged, sent, two.got, one.got]).toEqual([1, [1], [1], [2]]);
    expect(uplink!.takes).toEqual({ checksum: false, segments: false });
    expect(() => owner.connect(owner.port())).toThrow(/uplink already/);
  });
});
