/** A process for the command that exists in memory only. */
import type { CliHost, Interrupt } from '../../src/cli/process.ts';

export interface FakeHost extends CliHost {
  output: string;
  errors: string;
  files: Map<string, Uint8Array | string>;
  /** Types into the command. */
  type: (text: string) => void;
  interrupt: (why?: Interrupt | Error) => void;
  /** Whether the terminal is still taken. */
  isReading: () => boolean;
}

export function fakeHost(files: Record<string, Uint8Array | string> = {}, terminal = false): FakeHost {
  let onBytes: ((bytes: Uint8Array) => void) | null = null;
  let onInterrupt: ((why: Interrupt | Error) => void) | null = null;
  const decoder = new TextDecoder();
  const textOf = (bytes: Uint8Array | string): string => (typeof bytes === 'string' ? bytes : decoder.decode(bytes));
  const host: FakeHost = {
    output: '',
    errors: '',
    files: new Map(Object.entries(files)),
    out: (bytes) => {
      host.output += textOf(bytes);
    },
    error: (text) => {
      host.errors += text;
    },
    readFile: (path) => {
      const file = host.files.get(path);
      if (file === undefined) throw new Error('no such file');
      return typeof file === 'string' ? new TextEncoder().encode(file) : file;
    },
    openFile: (path) => {
      host.files.set(path, '');
      return {
        write: (bytes) => void host.files.set(path, host.files.get(path) + textOf(bytes)),
        close: () => {},
      };
    },
    keepPid: (path) => {
      host.files.set(path, '4711\n');
      return () => void host.files.delete(path);
    },
    input: {
      isTerminal: terminal,
      start: (listener, onEnd) => {
        onBytes = listener;
        if (!terminal) queueMicrotask(onEnd);
        return () => {
          onBytes = null;
        };
      },
    },
    onInterrupt: (callback) => {
      onInterrupt = callback;
      return () => {
        onInterrupt = null;
      };
    },
    type: (text) => onBytes?.(new TextEncoder().encode(text)),
    interrupt: (why = 'SIGINT') => onInterrupt?.(why),
    isReading: () => onBytes !== null,
  };
  return host;
}
