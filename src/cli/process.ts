/** What the command uses of its process, as a parameter, so that tests can stand in for it. */
import { readFileSync } from 'node:fs';
import { openLog } from './log-file.ts';

export interface CliHost {
  out(bytes: Uint8Array | string): void;
  error(text: string): void;
  readFile(path: string): Uint8Array;
  /** Creates or empties a file for writing. What cannot be written any more is lost, after a line on the error output. */
  openFile(path: string): { write(bytes: Uint8Array | string): void; close(): void };
  /** Null if there is no input. */
  input: CliInput | null;
  /** Calls back on an interrupt from outside, or if something failed and nothing caught it; returns how to stop listening. */
  onInterrupt(callback: (why: Interrupt | Error) => void): () => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** SIGTERM asks first, the others end. SIGPIPE: the reader of the output is gone, and cannot be told. */
export type Interrupt = (typeof SIGNALS)[number] | 'SIGPIPE';

export interface CliInput {
  isTerminal: boolean;
  /** Starts reading; on a terminal, key by key. Returns how to stop. */
  start(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): () => void;
}

/** The host of a real process. */
export function processHost(): CliHost {
  const { stdout, stderr } = process;
  const error = (text: string): void => void stderr.write(text);
  stderr.on('error', () => {});
  /** Told of a broken output while a guest runs. Without a guest it is the end; afterwards it changes nothing. */
  let broken: ((why: Interrupt | Error) => void) | null = null;
  let hasRun = false;
  let isLost = false;
  stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (isLost) return;
    isLost = true;
    const hasNoReader = code === 'EPIPE' || code === 'EIO';
    if (!hasNoReader) error(`vmlaunch: cannot write to the standard output any more: ${message}\n`);
    if (broken && hasNoReader) broken('SIGPIPE');
    else if (!hasRun) process.exit(hasNoReader ? 0 : 1);
  });
  return {
    out: (bytes) => {
      if (!isLost) stdout.write(bytes);
    },
    error,
    readFile: (path) => readFileSync(path),
    openFile: (path) => openLog(path, error),
    input: processInput(),
    onInterrupt: (callback) => {
      broken = callback;
      hasRun = true;
      for (const signal of SIGNALS) process.on(signal, callback);
      process.on('uncaughtException', callback);
      return () => {
        broken = null;
        for (const signal of SIGNALS) process.off(signal, callback);
        process.off('uncaughtException', callback);
      };
    },
  };
}

function processInput(): CliInput {
  const { stdin } = process;
  return {
    isTerminal: stdin.isTTY === true,
    start(onBytes, onEnd) {
      if (stdin.isTTY) stdin.setRawMode(true);
      stdin.on('data', onBytes);
      stdin.on('end', onEnd);
      stdin.on('error', onEnd);
      stdin.resume();
      return () => {
        stdin.off('data', onBytes);
        stdin.off('end', onEnd);
        try {
          if (stdin.isTTY) stdin.setRawMode(false);
        } catch {
          // The terminal is gone.
        }
        stdin.pause();
        stdin.unref?.();
      };
    },
  };
}
