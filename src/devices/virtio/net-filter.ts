/** Which frames the driver wants, by the commands of its control queue: virtio 1.2, 5.1.6.5 "Control Virtqueue". */
import type { Saved } from '../../saved.ts';

const Class = { RX: 0, MAC: 1 } as const;
const Mac = { TABLE_SET: 0, ADDR_SET: 1 } as const;
/** virtio 1.2, 5.1.6.5.1 "Packet Receive Filtering", in the order of their commands. */
const MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const;
type Mode = (typeof MODES)[number];
const ADDRESS_BYTES = 6;
/** Longer tables are taken as "everything", as virtio 1.2, 5.1.6.5.2 "Setting MAC Address Filtering" allows. */
const MOST_ADDRESSES = 256;

const keyOf = (bytes: Uint8Array, at = 0): string => bytes.subarray(at, at + ADDRESS_BYTES).join();

function refill<T>(set: Set<T>, values: readonly T[]): void {
  set.clear();
  for (const value of values) set.add(value);
}

export type FilterState = { modes: Mode[]; unicast: string[]; multicast: string[]; own: string };

export class NetFilter implements Saved<FilterState> {
  /** The address that the driver sees in the configuration; it may set another. */
  readonly mac: Uint8Array;
  readonly #modes = new Set<Mode>();
  readonly #unicast = new Set<string>();
  readonly #multicast = new Set<string>();
  #own: string;

  constructor(mac: Uint8Array) {
    this.mac = mac;
    this.#own = keyOf(mac);
  }

  reset(isFiltering: boolean): void {
    this.#modes.clear();
    if (!isFiltering) this.#modes.add('promiscuous');
    this.#unicast.clear();
    this.#multicast.clear();
    this.#own = keyOf(this.mac);
  }

  save(): FilterState {
    const [modes, unicast, multicast] = [[...this.#modes], [...this.#unicast], [...this.#multicast]];
    return { modes, unicast, multicast, own: this.#own };
  }

  load({ modes, unicast, multicast, own }: FilterState): void {
    refill(this.#modes, modes);
    refill(this.#unicast, unicast);
    refill(this.#multicast, multicast);
    this.#own = own;
  }

  /** Whether a frame for the address at its start is for this driver. */
  wants(frame: Uint8Array): boolean {
    const modes = this.#modes;
    if (modes.has('promiscuous')) return true;
    const key = keyOf(frame);
    if (!(frame[0] & 1)) {
      return !modes.has('noUnicast') && (key === this.#own || modes.has('allUnicast') || this.#unicast.has(key));
    }
    if (key === '255,255,255,255,255,255') return !modes.has('noBroadcast');
    return !modes.has('noMulticast') && (modes.has('allMulticast') || this.#multicast.has(key));
  }

  /** Obeys a command: class, number, data. Returns false if it cannot be obeyed. */
  command(bytes: Uint8Array): boolean {
    const [kind, number] = bytes;
    const data = bytes.subarray(2);
    if (kind === Class.RX && number < MODES.length && data.length === 1) {
      if (data[0]) this.#modes.add(MODES[number]);
      else this.#modes.delete(MODES[number]);
      return true;
    }
    if (kind !== Class.MAC) return false;
    if (number === Mac.TABLE_SET) return this.#setTables(data);
    if (number !== Mac.ADDR_SET || data.length !== ADDRESS_BYTES) return false;
    this.mac.set(data);
    this.#own = keyOf(data);
    return true;
  }

  /** Two tables, unicast and multicast, each with the number of its entries before it. */
  #setTables(data: Uint8Array): boolean {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    let at = 0;
    const tables = [this.#unicast, this.#multicast].map((target) => {
      if (at + 4 > data.length) return null;
      const count = view.getUint32(at, true);
      const end = at + 4 + ADDRESS_BYTES * count;
      if (end > data.length) return null;
      const keys: string[] = [];
      for (at += 4; at < end; at += ADDRESS_BYTES) if (keys.length <= MOST_ADDRESSES) keys.push(keyOf(data, at));
      return { target, keys };
    });
    if (at !== data.length || tables.includes(null)) return false;
    for (const [index, table] of tables.entries()) {
      if (!table) continue;
      table.target.clear();
      const mode = index === 0 ? 'allUnicast' : 'allMulticast';
      if (table.keys.length > MOST_ADDRESSES) this.#modes.add(mode);
      else for (const key of table.keys) table.target.add(key);
    }
    return true;
  }
}
