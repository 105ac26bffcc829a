/** What the command uses of its process, as a parameter, so that tests can stand in for it. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface CliHost {
  out(bytes: Uint8Array | string): void;
  error(text: string): void;
  readFile(path: string): Uint8Array;
  /** Creates or empties a file for writing. */
  openFile(path: string): { write(bytes: Uint8Array | string): void; close(): void };
  /** Null where there is nobody to type. */
  input: CliInput | null;
  /** Calls back on an interrupt from outside; returns how to stop listening. */
  onInterrupt(callback: (signal: Interrupt) => void): () => void;
}

/** SIGINT ends, SIGTERM asks first. */
export type Interrupt = 'SIGINT' | 'SIGTERM';

export interface CliInput {
  isTerminal: boolean;
  /** Starts reading; on a terminal, key by key. Returns how to stop. */
  start(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): () => void;
}

/** The host of a real process. */
export function processHost(): CliHost {
  return {
    out: (bytes) => process.stdout.write(bytes),
    error: (text) => process.stderr.write(text),
    readFile: (path) => readFileSync(path),
    openFile: (path) => {
      const file = openSync(path, 'w');
      const toBytes = (bytes: Uint8Array | string): Uint8Array =>
        typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
      return { write: (bytes) => void writeSync(file, toBytes(bytes)), close: () => closeSync(file) };
    },
    input: processInput(),
    onInterrupt: (callback) => {
      const signals = ['SIGINT', 'SIGTERM'] as const;
      for (const signal of signals) process.on(signal, callback);
      return () => {
        for (const signal of signals) process.off(signal, callback);
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
      stdin.resume();
      return () => {
        stdin.off('data', onBytes);
        stdin.off('end', onEnd);
        if (stdin.isTTY) stdin.setRawMode(false);
        stdin.pause();
        stdin.unref?.();
      };
    },
  };
}
