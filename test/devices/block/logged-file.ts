/** A file that remembers every write and flush, to see what a crash at any point would have left. */
import { MemoryFile } from '../../../src/devices/block/byte-file.ts';

type Event = { at: number; bytes: Uint8Array } | 'flush';

export class LoggedFile extends MemoryFile {
  readonly events: Event[] = [];
  readonly #start: Uint8Array;

  constructor(bytes: Uint8Array, name = 'logged') {
    super(bytes.slice(), { name });
    this.#start = bytes.slice();
  }

  override write(offset: number, from: Uint8Array): void {
    this.events.push({ at: offset, bytes: from.slice() });
    super.write(offset, from);
  }

  override flush(): void {
    this.events.push('flush');
  }

  /** The file after the first `count` events: the process was killed there. */
  killedAfter(count: number): Uint8Array {
    return this.#replay(count, () => true);
  }

  /** The file where power failed there: of the writes since the last flush, `survives` says which are on the medium. */
  powerLostAfter(count: number, survives: () => boolean): Uint8Array {
    const flushed = this.events.lastIndexOf('flush', count - 1) + 1;
    return this.#replay(count, (index) => index < flushed || survives());
  }

  #replay(count: number, isKept: (index: number) => boolean): Uint8Array {
    const file = new MemoryFile(this.#start.slice());
    for (const [index, event] of this.events.slice(0, count).entries()) {
      if (event !== 'flush' && isKept(index)) file.write(event.at, event.bytes);
    }
    return file.bytes.slice();
  }
}
