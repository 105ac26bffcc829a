/** A file on a medium with room for so many pages: a write to a page that has none yet fails as on a full host. */
import { MemoryFile } from '../../../src/devices/block/byte-file.ts';

const PAGE = 4096;

export class FullFile extends MemoryFile {
  readonly #pages = new Set<number>();
  room: number;

  /** What `bytes` hold has room already, but for pages of zeros, which are holes. */
  constructor(bytes: Uint8Array, room: number) {
    super(bytes.slice());
    for (let page = 0; page * PAGE < bytes.length; page++) {
      if (bytes.subarray(page * PAGE, (page + 1) * PAGE).some((byte) => byte !== 0)) this.#pages.add(page);
    }
    this.room = room;
  }

  override write(offset: number, from: Uint8Array): void {
    for (let page = Math.floor(offset / PAGE); page * PAGE < offset + from.length; page++) {
      if (this.#pages.has(page)) continue;
      if (this.room === 0) throw new Error('ENOSPC: no space left on device, write');
      this.room--;
      this.#pages.add(page);
    }
    super.write(offset, from);
  }
}
