/**
 * The longest time that each device keeps the host's event loop waiting, when a guest asks for as much as it can:
 * tsx test/machine/slices.ts [NAME..]. CPU time, the least of three rounds; docs/decisions/0026 says what is aimed at.
 */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { Request, Writer } from '../../src/devices/p9/message.ts';
import { HostFolder, openDisk } from '../../src/node/index.ts';
import { INDIRECT, longestTurn, type Part, type Queue, Rig } from './slices/rig.ts';

const ROUNDS = 3;
const MIB = 1 << 20;
const Blk = { IN: 0, OUT: 1, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const BlkFeature = { DISCARD: 1 << 13, WRITE_ZEROES: 1 << 14 } as const;
const INDIRECT_DESC = 1 << 28;
const REPORTING = 1 << 5;
const Gpu = { CREATE_2D: 0x101, SET_SCANOUT: 0x103, FLUSH: 0x104 } as const;

interface Case {
  what: string;
  /** Lays out the work and gives what does it. */
  make(folder: string): Promise<() => Promise<unknown>>;
}

function request(rig: Rig, queue: Queue, type: number, sector: number, parts: readonly Part[]): void {
  const header = rig.room(16);
  rig.view(header, 16).setUint32(0, type, true);
  rig.view(header, 16).setBigUint64(8, BigInt(sector), true);
  rig.chain(queue, [[header, 16], ...parts, [rig.room(1), 1, true]]);
}

/** Requests of 2 GiB each that change no data, on an image of 4 GiB. */
async function ranges(folder: string, format: 'raw' | 'qcow2', type: number): Promise<() => Promise<unknown>> {
  const path = join(folder, `disk.${format}`);
  writeFileSync(path, '');
  truncateSync(path, 4 * 1024 * MIB);
  const d = openDisk(path, { format: 'raw' });
  const rig = await Rig.make([{ type: 'virtio-blk', drive: 'd' }], { drives: { d } });
  const queue = rig.queue(0);
  for (let n = 0; n < 2; n++) {
    const range = rig.room(16);
    rig.view(range, 16).setUint32(8, 2 ** 22, true);
    request(rig, queue, type, 0, [[range, 16]]);
  }
  return () => rig.run(BlkFeature.DISCARD | BlkFeature.WRITE_ZEROES).finally(() => d.close());
}

async function blocks(type: number): Promise<() => Promise<unknown>> {
  const rig = await Rig.make([{ type: 'virtio-blk', drive: 'd' }], {
    drives: { d: ramDisk(new Uint8Array(64 * MIB)) },
  });
  const queue = rig.queue(0);
  const data = rig.room(32 * MIB);
  for (let n = 0; n < 80; n++) request(rig, queue, type, 0, [[data, 32 * MIB, type === Blk.IN]]);
  return () => rig.run();
}

/** Messages for a server of 9P, one chain each. */
async function messages(
  folder: string,
  build: (send: (type: number, fill: (out: Writer) => void) => void) => void,
): Promise<() => Promise<unknown>> {
  const folders = { f: new HostFolder(folder) };
  const rig = await Rig.make([{ type: 'virtio-9p', fsdev: 'f', mount_tag: 'f' }], { folders });
  const queue = rig.queue(0, 128);
  const send = (type: number, fill: (out: Writer) => void): void => {
    const out = new Writer();
    fill(out);
    const message = out.finish(type, 1);
    rig.chain(queue, [
      [rig.room(message.length, message), message.length],
      [rig.room(0x2_0000), 0x2_0000, true],
    ]);
  };
  send(Request.VERSION, (out) => out.u32(0x2_0000).text('9P2000.L'));
  send(Request.ATTACH, (out) => out.u32(0).u32(0xffff_ffff).text('').text('').u32(0));
  build(send);
  return () => rig.run();
}

const CASES: Readonly<Record<string, Case>> = {
  'blk-zeroes': { what: '2 WRITE_ZEROES of 2 GiB', make: (folder) => ranges(folder, 'raw', Blk.WRITE_ZEROES) },
  'blk-discard': { what: '2 DISCARDs of 2 GiB', make: (folder) => ranges(folder, 'raw', Blk.DISCARD) },
  'blk-read': { what: '80 reads of 32 MiB', make: () => blocks(Blk.IN) },
  'blk-write': { what: '80 writes of 32 MiB', make: () => blocks(Blk.OUT) },
  'blk-windows': {
    what: '256 reads into 1024 windows of a byte',
    async make() {
      const rig = await Rig.make([{ type: 'virtio-blk', drive: 'd' }], { drives: { d: ramDisk(new Uint8Array(MIB)) } });
      const queue = rig.queue(0);
      const byte = rig.room(1);
      const windows = Array.from({ length: 1023 }, (): Part => [byte, 1, true]);
      const table = rig.table([[rig.room(16), 16], ...windows]);
      for (let n = 0; n < 256; n++) rig.chain(queue, [table], INDIRECT);
      return () => rig.run(INDIRECT_DESC);
    },
  },
  'balloon-inflate': {
    what: '128 chains of 16384 pages',
    async make() {
      const rig = await Rig.make([{ type: 'virtio-balloon', 'free-page-reporting': true }]);
      const queue = rig.queue(0, 128);
      const pages = rig.room(0x1_0000);
      for (let n = 0; n < 16384; n++) rig.view(pages, 0x1_0000).setUint32(4 * n, 0x8000 + (n & 0x3fff), true);
      for (let n = 0; n < 128; n++) rig.chain(queue, [[pages, 0x1_0000]]);
      return () => rig.run();
    },
  },
  'balloon-report': {
    what: '2 reports of 32 x 90 MiB',
    async make() {
      const rig = await Rig.make([{ type: 'virtio-balloon', 'free-page-reporting': true }]);
      const queue = rig.queue(4, 128);
      const table = rig.table(Array.from({ length: 32 }, (): Part => [128 * MIB, 90 * MIB, true]));
      for (let n = 0; n < 2; n++) rig.chain(queue, [table], INDIRECT);
      return () => rig.run(INDIRECT_DESC | REPORTING);
    },
  },
  rng: {
    what: '256 x 64 KiB of entropy',
    async make() {
      const rig = await Rig.make([{ type: 'virtio-rng' }]);
      const queue = rig.queue(0);
      const room = rig.room(0x1_0000);
      for (let n = 0; n < 256; n++) rig.chain(queue, [[room, 0x1_0000, true]]);
      return () => rig.run();
    },
  },
  'gpu-flush': {
    what: '3 flushes of 8000 x 8000',
    async make() {
      const rig = await Rig.make([{ type: 'virtio-gpu' }]);
      const queue = rig.queue(0);
      const answer = rig.room(4096);
      const command = (type: number, ...words: number[]): void => {
        const length = 24 + 4 * Math.max(words.length, 6);
        const at = rig.room(length);
        for (const [n, word] of [type, 0, 0, 0, 0, 0, ...words].entries())
          rig.view(at, length).setUint32(4 * n, word, true);
        rig.chain(queue, [
          [at, length],
          [answer, 408, true],
        ]);
      };
      command(Gpu.CREATE_2D, 1, 1, 8000, 8000);
      command(Gpu.SET_SCANOUT, 0, 0, 8000, 8000, 0, 1);
      for (let n = 0; n < 3; n++) command(Gpu.FLUSH, 0, 0, 8000, 8000, 1, 0);
      return () => rig.run();
    },
  },
  '9p-list': {
    what: '30 openings of a folder of 30,000 files',
    make(folder) {
      for (let n = 0; n < 30_000; n++) writeFileSync(join(folder, `${n}`), '');
      return messages(folder, (send) => {
        for (let fid = 1; fid <= 30; fid++) {
          send(Request.WALK, (out) => out.u32(0).u32(fid).u16(0));
          send(Request.LOPEN, (out) => out.u32(fid).u32(0));
          send(Request.READDIR, (out) => out.u32(fid).u64(0n).u32(0x1_f000));
        }
      });
    },
  },
  '9p-walk': {
    what: '60 walks of 16 steps 960 folders deep',
    make(folder) {
      mkdirSync(join(folder, ...Array.from({ length: 980 }, () => 'd')), { recursive: true });
      return messages(folder, (send) => {
        const walk = (from: number, to: number): void =>
          send(Request.WALK, (out) => {
            out.u32(from).u32(to).u16(16);
            for (let n = 0; n < 16; n++) out.text('d');
          });
        for (let fid = 0; fid < 60; fid++) walk(fid, fid + 1);
        for (let n = 0; n < 60; n++) walk(60, 100 + n);
      });
    },
  },
};

async function measure({ make }: Case): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const folder = mkdtempSync(join(tmpdir(), 'slices-'));
    try {
      const work = await make(folder);
      least = Math.min(least, await longestTurn(work));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return least;
}

const wanted = process.argv.slice(2);
for (const [name, one] of Object.entries(CASES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`${name.padEnd(16)} ${(await measure(one)).toFixed(0).padStart(5)} ms  ${one.what}`);
}
