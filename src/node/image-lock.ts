/**
 * Locks on images, so that two processes do not write to one: QEMU's own, on single bytes of the file
 * (block/file-posix.c, "RAW_LOCK_PERM_BASE"), or flock(2) between our own processes. Node can take neither; a program
 * that is started for it can, on the descriptor that it inherits: such a lock belongs to the open file, and lasts until
 * we close it, however we end. docs/decisions/0027 says what is covered where.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';

/** As QEMU's file.locking: where no lock can be had, `on` is an error and `auto` goes without. */
export type Locking = 'on' | 'off' | 'auto';
export const LOCKINGS: readonly Locking[] = ['on', 'off', 'auto'];

/** QEMU's permissions that matter here (include/block/block-common.h, "BLK_PERM_"). */
const [READ, WRITE, RESIZE] = [0, 1, 3];
/** The byte of a permission that a process has, and of one that it does not share. */
const [HAS, DENIES] = [100, 200];
/** Neither who reads nor who writes shares writing. */
const DENIED = [WRITE, RESIZE];
/** What the programs end with if another process has a lock. */
const TAKEN = 1;

/**
 * fcntl(2) on descriptor 3: F_OFD_SETLK (37) with F_RDLCK (0) on the first list of bytes, then F_OFD_GETLK (36) with
 * F_WRLCK (1) on the second, where F_UNLCK (2) comes back for a free byte. `struct flock` of Linux on 64 bits.
 */
const SCRIPT = `
  my ($lock, $check) = map { [split /,/] } @ARGV;
  open(my $file, '<&=', 3) or exit 9;
  my $of = sub { pack('s s x4 q q l x4', $_[0], 0, $_[1], 1, 0) };
  for (@$lock) { fcntl($file, 37, $of->(0, $_)) or exit($! == 11 || $! == 13 ? ${TAKEN} : 9) }
  for (@$check) { my $found = $of->(1, $_); fcntl($file, 36, $found) or exit 9; exit ${TAKEN} if unpack('s', $found) != 2 }
`;
const HAS_64_BITS = ['x64', 'arm64', 'ppc64', 'riscv64', 's390x', 'loong64'].includes(process.arch);

interface Bytes {
  lock: number[];
  /** No other process may have locked them. */
  check: number[];
}

/** What QEMU locks and checks for a disk. */
function bytesFor(isReadOnly: boolean): Bytes {
  const wanted = isReadOnly ? [READ] : [READ, WRITE, RESIZE];
  return {
    lock: [...wanted.map((permission) => HAS + permission), ...DENIED.map((permission) => DENIES + permission)],
    check: [...wanted.map((permission) => DENIES + permission), ...DENIED.map((permission) => HAS + permission)],
  };
}

/** Takes the lock that a disk needs. Returns whether it has it, another process does, or none can. */
export function lockImage(file: number, isReadOnly: boolean): 'locked' | 'taken' | 'impossible' {
  if (process.platform === 'linux') {
    const bytes = bytesFor(isReadOnly);
    const result = HAS_64_BITS
      ? run(file, 'perl', ['-e', SCRIPT, bytes.lock.join(), bytes.check.join()])
      : 'impossible';
    if (result !== 'impossible') return result;
    if (isLockedByOthers(file, bytes.check)) return 'taken';
  }
  return run(file, 'flock', ['-n', isReadOnly ? '-s' : '-x', '3']);
}

function run(file: number, program: string, args: string[]): 'locked' | 'taken' | 'impossible' {
  const { status } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'ignore', file] });
  if (status === 0) return 'locked';
  return status === TAKEN ? 'taken' : 'impossible';
}

/** Whether /proc/locks knows of a lock on one of these bytes: QEMU's belong to no process and are always shown. */
function isLockedByOthers(file: number, bytes: readonly number[]): boolean {
  try {
    const mount = /^mnt_id:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'))?.[1];
    const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const [major, minor] =
      mounts
        .find((line) => line.startsWith(`${mount} `))
        ?.split(' ')[2]
        .split(':') ?? [];
    return isLocked(
      fs.readFileSync('/proc/locks', 'utf8'),
      [Number(major), Number(minor), fs.fstatSync(file).ino],
      bytes,
    );
  } catch {
    return false;
  }
}

/** Whether `locks`, in the format of /proc/locks (proc(5)), has one on a byte of the file at major, minor and inode. */
export function isLocked(locks: string, place: readonly number[], bytes: readonly number[]): boolean {
  return locks.split('\n').some((line) => {
    const match = /(?:OFDLCK|POSIX)\s+\S+\s+\S+\s+\S+\s+([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (\d+|EOF)/.exec(line);
    if (!match) return false;
    const [major, minor, inode] = [Number.parseInt(match[1], 16), Number.parseInt(match[2], 16), Number(match[3])];
    const [first, last] = [Number(match[4]), match[5] === 'EOF' ? Number.POSITIVE_INFINITY : Number(match[5])];
    return [major, minor, inode].join() === place.join() && bytes.some((byte) => byte >= first && byte <= last);
  });
}
