/**
 * Runs an emulator as a process of its own and measures it from outside, by the lines `bench: NAME` that the guest prints:
 * CPU time and wall time so far, and resident memory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Emulator {
  name: string;
  command: readonly string[];
}

export interface Mark {
  /** CPU time of the process so far, in milliseconds; the system counts in steps of ten. */
  cpuMs: number;
  wallMs: number;
  /** Resident memory in bytes, those of the file-backed pages included. */
  residentBytes: number;
}

export interface EmulatorRun {
  marks: Map<string, Mark>;
  /** What the process wrote to its error output. */
  errors: string;
}

const TICK_MS = 10;
const KIB = 1024;
const LONGEST_MS = 15 * 60_000;
/** Fields of /proc/PID/stat behind the name in parentheses. */
const Stat = { UTIME: 11, STIME: 12 } as const;

function measure(child: ChildProcess, began: number): Mark {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return {
    cpuMs: TICK_MS * (Number(stat[Stat.UTIME]) + Number(stat[Stat.STIME])),
    wallMs: performance.now() - began,
    residentBytes: KIB * Number(resident),
  };
}

/** Runs until the process ends. Rejects where it never printed the mark `last`, with what it did print. */
export function runEmulator({ name, command: [file, ...args] }: Emulator, last: string): Promise<EmulatorRun> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const marks = new Map<string, Mark>();
    let output = '';
    let errors = '';
    let seen = 0;
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString('latin1');
      for (const match of output.slice(seen).matchAll(/bench: ([\w-]+)\r?\n/g))
        marks.set(match[1], measure(child, began));
      seen = output.lastIndexOf('\n') + 1;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      errors += bytes;
    });
    const timer = setTimeout(() => child.kill(), LONGEST_MS);
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      if (marks.has(last)) resolve({ marks, errors });
      else reject(new Error(`${name} did not get to '${last}':\n${output.slice(-2000)}\n${errors.slice(-2000)}`));
    });
  });
}
