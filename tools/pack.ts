/**
 * Packs the package: what `files` names, under a manifest without what only a checkout needs. Scripts stay at home, since
 * npm warns those who install a package that has a `prepare`. Prints where the tarball is. Usage: tsx tools/pack.ts [FOLDER]
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ALWAYS = ['README.md', 'LICENSE'];
const STAYS = ['scripts', 'devDependencies'];

export interface Packed {
  /** Path of the tarball. */
  tarball: string;
  /** Bytes packed and unpacked. */
  size: number;
  unpackedSize: number;
  entryCount: number;
}

/** Packs the built package of `root` into `folder`. Throws where npm cannot. */
export function packPackage(root: string, folder: string): Packed {
  const stage = mkdtempSync(join(tmpdir(), 'vmlaunch-stage-'));
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
    for (const name of [...(manifest.files as string[]), ...ALWAYS]) {
      mkdirSync(dirname(join(stage, name)), { recursive: true });
      cpSync(join(root, name), join(stage, name), { recursive: true });
    }
    for (const name of STAYS) delete manifest[name];
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    const args = ['pack', stage, '--json', '--loglevel=error', '--pack-destination', folder];
    const report = execFileSync('npm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    const [packed] = Object.values(JSON.parse(report)) as (Packed & { filename: string })[];
    const { filename, size, unpackedSize, entryCount } = packed;
    return { tarball: join(folder, filename), size, unpackedSize, entryCount };
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = resolve(process.argv[2] ?? '.');
  console.log(packPackage(resolve(import.meta.dirname, '..'), folder).tarball);
}
