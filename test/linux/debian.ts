/**
 * Debian's own packages for tests that boot real software: downloaded by apt-get into a cache beside the operating
 * system's temporary files, unpacked, never installed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cache = join(tmpdir(), 'vmlaunch-debian');

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/**
 * The folder with the unpacked files of the newest version of `name`, or of the package that it depends on first where
 * it is a meta-package. Throws an error that says what is lacking where Debian's tools or its archive are not there.
 */
export function debianPackage(name: string, follow = false, architecture?: string): string {
  try {
    mkdirSync(cache, { recursive: true });
    const apt = architecture ? foreignLists(architecture) : [];
    let wanted = architecture ? `${name}:${architecture}` : name;
    if (follow) {
      if (!/Depends:/.test(tryRun('apt-cache', [...apt, 'depends', wanted])))
        tryRun('apt-get', [...apt, 'update', '-qq']);
      wanted = /Depends: (\S+)/.exec(run('apt-cache', [...apt, 'depends', wanted], cache))?.[1] ?? wanted;
    }
    const folder = join(cache, wanted);
    if (existsSync(folder)) return folder;
    const download = join(cache, `${wanted}.part-${process.pid}`);
    mkdirSync(download, { recursive: true });
    try {
      run('apt-get', [...apt, 'download', '-qq', wanted], download);
    } catch {
      tryRun('apt-get', [...apt, 'update', '-qq']);
      run('apt-get', [...apt, 'download', '-qq', wanted], download);
    }
    const archive = readdirSync(download).find((file) => file.endsWith('.deb'));
    if (!archive) throw new Error('apt-get downloaded nothing');
    run('dpkg-deb', ['-x', archive, 'files'], download);
    renameSync(join(download, 'files'), folder);
    return folder;
  } catch (error) {
    throw new Error(
      `this test needs Debian's package ${name} through apt-get and dpkg-deb: ${(error as Error).message}`,
    );
  }
}

/** Options by which apt keeps the lists of another architecture beside those of the system, which stay as they are. */
function foreignLists(architecture: string): string[] {
  const own = run('dpkg', ['--print-architecture'], cache).trim();
  const lists = join(cache, `lists-${architecture}`);
  const archives = join(cache, `archives-${architecture}`);
  for (const folder of [join(lists, 'partial'), join(archives, 'archives/partial')])
    mkdirSync(folder, { recursive: true });
  const settings = [`Dir::State::lists=${lists}`, `Dir::Cache=${archives}`];
  return [...[own, architecture].map((one) => `APT::Architectures::=${one}`), ...settings].flatMap((one) => [
    '-o',
    one,
  ]);
}

function tryRun(command: string, args: readonly string[]): string {
  try {
    return run(command, args, cache);
  } catch {
    return '';
  }
}
