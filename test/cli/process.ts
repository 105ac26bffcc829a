/** The command as a process of its own, watched by what it writes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';

const root = resolve(import.meta.dirname, '../..');
const COMMAND = [process.execPath, '--import', 'tsx', join(root, 'src/cli/main.ts')];

export interface Running {
  child: ChildProcess;
  output: () => string;
  errors: () => string;
  /** Resolves when the output has this text. Rejects where the process ends before. */
  says: (text: string) => Promise<void>;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

/**
 * Starts `vmlaunch` with these arguments. `shell`: what a shell is to do first, such as `ulimit -f 2048`; `output`: a file
 * for the standard output.
 */
export function vmlaunch(args: readonly string[], { shell = '', output = '' } = {}): Running {
  const quoted = [...COMMAND, ...args].map((word) => `'${word}'`).join(' ');
  const line = `${shell && `${shell}; `}exec ${quoted}${output && ` > ${output}`}`;
  const child = spawn('bash', ['-c', line], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    const readable = child[stream];
    if (!(readable instanceof Readable)) throw new Error('no pipe');
    readable.on('data', (bytes) => {
      texts[stream] = (texts[stream] + bytes).slice(-0x1_0000);
      for (const look of waiting) look();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  return {
    child,
    output: () => texts.stdout,
    errors: () => texts.stderr,
    ended,
    says: (text) =>
      new Promise((found, fail) => {
        const look = (): void => {
          if (!texts.stdout.includes(text)) return;
          waiting.delete(look);
          found();
        };
        waiting.add(look);
        look();
        void ended.then((code) => fail(new Error(`ended with ${code}: ${texts.stderr}`)));
      }),
  };
}
