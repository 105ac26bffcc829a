/**
 * A file that something is written down in. A host that has no room for it any more is no reason to end a machine: the
 * file ends there, and one line says so.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export function openLog(
  path: string,
  error: (text: string) => void,
): { write(bytes: Uint8Array | string): void; close(): void } {
  const file = openSync(path, 'w');
  let isOpen = true;
  let isWhole = true;
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (failure) {
      if (isWhole) error(`vmlaunch: ${path} ends here: ${failure instanceof Error ? failure.message : failure}\n`);
      isWhole = false;
    }
  };
  return {
    write(bytes) {
      if (!isOpen || !isWhole) return;
      attempt(() => {
        const all = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
        for (let done = 0; done < all.length; ) done += writeSync(file, all, done);
      });
    },
    close() {
      if (isOpen) attempt(() => closeSync(file));
      isOpen = false;
    },
  };
}
