/** A process that writes to a disk until it is killed, and says after every flush how far it is. */
import { openDisk } from '../../src/node/image-file.ts';

const SECTOR = 512;
const STRIDE = 9 * SECTOR;
const disk = openDisk(process.argv[2]);
for (let round = 1; ; round++) {
  const at = (round * STRIDE * 7) % (disk.capacity - SECTOR);
  disk.write(at - (at % SECTOR), new Uint8Array(SECTOR).fill(round));
  if (round % 8 === 0) {
    disk.flush();
    process.stdout.write(`${round}\n`);
  }
}
