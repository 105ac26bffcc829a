/**
 * What our own firmware asks of the machine (roms/firmware). Disks: it writes the physical address of a request to port 0
 * and reads the status from port 4, until that is no longer BUSY. A request has 16 bytes: operation (0 read, 1 write,
 * 2 verify), disk, number of sectors (2), address of the data (4), first sector (8); the status is INT 13h's. Waiting: so
 * many microseconds pass as are written to port 8.
 */
import type { GuestMemory, Width } from '../core/types.ts';
import { type Doors, NO_DOORS } from '../doors.ts';
import type { Saved } from '../saved.ts';
import type { BlkBackend } from './backends.ts';
import type { IoDevice } from './device.ts';

export const FIRMWARE_PORTS = { BASE: 0x530, COUNT: 12 } as const;
/** As many as the firmware has room for. */
export const MOST_FIRMWARE_DISKS = 8;

const Port = { REQUEST: 0, STATUS: 4, WAIT: 8 } as const;
const NS_PER_US = 1000;
const LONGEST_WAIT_US = 1000;
const REQUEST_BYTES = 16;
const SECTOR = 512;
const Operation = { READ: 0, WRITE: 1, VERIFY: 2 } as const;
/** "INT 13h status" (Ralf Brown's Interrupt List, table 00234), but for the last one. */
export const DiskStatus = {
  DONE: 0,
  BAD_COMMAND: 1,
  WRITE_PROTECTED: 3,
  NO_SECTOR: 4,
  BAD_ADDRESS: 9,
  FAILED: 0x20,
  BUSY: 0xfe,
} as const;

export interface FirmwareParts {
  disks: readonly BlkBackend[];
  memory: GuestMemory;
  /** Guest RAM was written. */
  wrote: (pa: number, length: number) => void;
  /** Lets nanoseconds pass during an access. */
  spend: (ns: number) => void;
  /** One line for people about what went wrong. */
  log: (line: string) => void;
  doors?: Doors;
}

export class FirmwareServices implements IoDevice, Saved<number> {
  readonly maxWidth = 4;
  readonly #parts: FirmwareParts;
  #status: number = DiskStatus.DONE;
  #isGone = false;
  /** A disk answered later. */
  readonly #answer: (status: number) => void;

  constructor(parts: FirmwareParts) {
    this.#parts = parts;
    this.#answer = (parts.doors ?? NO_DOORS).door('firmware.disk', (status: number) => {
      this.#status = status;
    });
  }

  /** What a disk still reads is not put into the memory of a machine that starts over. */
  reset(): void {
    this.#isGone = true;
  }

  /** The status. Nothing is saved while a disk is at work: the machine waits for that. */
  save(): number {
    return this.#status;
  }

  load(status: number): void {
    this.#status = status;
  }

  read(offset: number, _width: Width): number {
    return offset === Port.STATUS ? this.#status : 0;
  }

  write(offset: number, width: Width, value: number): void {
    if (offset === Port.WAIT) this.#parts.spend(NS_PER_US * Math.min(value, LONGEST_WAIT_US));
    else if (offset === Port.REQUEST && width === 4) this.#request(value);
  }

  #request(pa: number): void {
    try {
      const answer = this.#serve(pa);
      if (typeof answer === 'number') {
        this.#status = answer;
        return;
      }
      this.#status = DiskStatus.BUSY;
      answer.then(
        (status) => this.#answer(status),
        (error) => this.#fail(error),
      );
    } catch (error) {
      if (error instanceof RangeError) this.#status = DiskStatus.BAD_ADDRESS;
      else this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#status = DiskStatus.FAILED;
    this.#parts.log(`firmware: disk: ${error instanceof Error ? error.message : error}`);
  }

  /** The status, or a promise of it. Throws RangeError if the guest names memory that is not there. */
  #serve(pa: number): number | Promise<number> {
    const { disks, memory, wrote } = this.#parts;
    const bytes = memory.bytes(pa, REQUEST_BYTES);
    const request = new DataView(bytes.buffer, bytes.byteOffset, REQUEST_BYTES);
    const operation = request.getUint8(0);
    const disk = disks[request.getUint8(1)];
    const count = request.getUint16(2, true);
    const at = request.getUint32(4, true);
    const sector = request.getBigUint64(8, true);
    if (!disk || count === 0 || operation > Operation.VERIFY) return DiskStatus.BAD_COMMAND;
    if (sector + BigInt(count) > BigInt(Math.floor(disk.capacity / SECTOR))) return DiskStatus.NO_SECTOR;
    if (operation === Operation.WRITE && disk.isReadOnly) return DiskStatus.WRITE_PROTECTED;
    if (operation === Operation.VERIFY) return DiskStatus.DONE;
    const [offset, length] = [Number(sector) * SECTOR, count * SECTOR];
    const target = memory.bytes(at, length);
    if (operation === Operation.WRITE) return later(disk.write(offset, target.slice()), () => DiskStatus.DONE);
    const data = new Uint8Array(length);
    return later(disk.read(offset, data), () => {
      if (this.#isGone) return DiskStatus.FAILED;
      memory.bytes(at, length).set(data);
      wrote(at, length);
      return DiskStatus.DONE;
    });
  }
}

/** `then()` now, or when `work` has ended. */
function later(work: void | Promise<void>, then: () => number): number | Promise<number> {
  return work ? work.then(then) : then();
}
