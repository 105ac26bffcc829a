// What Debian's compressors make of a program is unpacked to the same bytes; what is damaged is an error, never a hang.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unlz4 } from '../../../../../src/machine/firmware/loaders/decompress/lz4.ts';
import { unxz } from '../../../../../src/machine/firmware/loaders/decompress/xz.ts';
import { unzstd } from '../../../../../src/machine/firmware/loaders/decompress/zstd.ts';
import { ImageError } from '../../../../../src/machine/firmware/loaders/image-error.ts';
import type { Rest } from '../../../../../src/machine/run/yield.ts';
import { debianPackage } from '../../../../linux/debian.ts';

type Unpack = (input: Uint8Array, size: number, rest: Rest) => Uint8Array | Promise<Uint8Array>;

const tools: [string, string, string[], Unpack, leastRests: number][] = [
  ['xz as for kernels', 'xz-utils', ['xz', '--check=crc32', '--x86', '--lzma2=dict=32MiB'], unxz, 4],
  ['xz in blocks', 'xz-utils', ['xz', '-1', '--block-size=100KiB'], unxz, 15],
  ['xz with other properties', 'xz-utils', ['xz', '--check=none', '--lzma2=lc=0,lp=2,pb=0'], unxz, 1],
  ['LZ4 as for kernels', 'lz4', ['lz4', '-l', '-9'], unlz4, 1],
  ['zstd as for kernels', 'zstd', ['zstd', '-19', '--no-check'], unzstd, 0],
  ['zstd with a checksum', 'zstd', ['zstd', '-1', '--check'], unzstd, 0],
];

/** A piece of a program: real x86 code, on which the filter for it has work to do. */
function programBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(process.execPath, 'r');
  readSync(file, bytes, 0, length, 0x100_0000);
  closeSync(file);
  return bytes;
}

function pack(name: string, [command, ...options]: string[], bytes: Uint8Array): Uint8Array {
  const path = join(debianPackage(name), 'usr/bin', command);
  return new Uint8Array(execFileSync(path, [...options, '-c'], { input: bytes, maxBuffer: 2 ** 26 }));
}

describe.each(tools)('%s', (_name, debian, command, unpack, leastRests) => {
  it('unpacks to what went in, and lets the host rest where that is long', async () => {
    const program = programBytes(1_500_000);
    let rests = 0;
    const rest = async (): Promise<void> => void rests++;
    const unpacked = await unpack(pack(debian, command, program), program.length, rest);
    expect([Buffer.compare(unpacked, program), rests >= leastRests]).toEqual([0, true]);
  }, 300_000);

  it('with damaged bytes is an ImageError or, where nobody can tell, other bytes', async () => {
    const sample = programBytes(30_000);
    const packed = pack(debian, command, sample);
    let refused = 0;
    for (let at = 3; at < packed.length; at += 997) {
      const damaged = packed.slice(0, at % 2 ? packed.length : packed.length - 1 - (at % 100));
      damaged[at % damaged.length] ^= 0x41;
      try {
        await unpack(damaged, sample.length, async () => {});
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  }, 300_000);
});
