/** Where the guest's consoles lead: the standard output, files, or nowhere. */
import type { ConsoleSource } from '../machine/events.ts';
import type { RunOptions, Sink } from './options.ts';
import type { CliHost } from './process.ts';
import { UsageError } from './usage-error.ts';

export interface OpenSink {
  write(bytes: Uint8Array | string): void;
  close(): void;
}

/** Standard output, which knows whether the guest's last line is unfinished. */
export interface Stdio extends OpenSink {
  isMidLine(): boolean;
}

const NEWLINE = 10;

export function openStdio(host: CliHost): Stdio {
  let last: number | undefined;
  return {
    write: (bytes) => {
      last = typeof bytes === 'string' ? bytes.charCodeAt(bytes.length - 1) : bytes.at(-1);
      host.out(bytes);
    },
    close: () => {},
    isMidLine: () => last !== undefined && last !== NEWLINE,
  };
}

/** Opens what the serial ports and port 0xe9 write to. */
export function openSinks(options: RunOptions, host: CliHost, stdio: Stdio): Map<ConsoleSource, OpenSink> {
  const serial: readonly Sink[] = options.serial.length > 0 ? options.serial : [{ kind: 'stdio' }];
  const wanted = new Map(serial.map((sink, port) => [`serial${port}` as ConsoleSource, sink]));
  wanted.set('debugcon', options.debugcon);
  const sinks = new Map<ConsoleSource, OpenSink>();
  for (const [source, sink] of wanted) {
    if (sink.kind !== 'none') sinks.set(source, sink.kind === 'stdio' ? stdio : host.openFile(sink.path));
  }
  return sinks;
}

/** The terminal is that of -chardev stdio or of the serial ports. Throws UsageError if both are asked for. */
export function withoutTwoTerminals(options: RunOptions): RunOptions {
  if (!options.backends.some(({ option, type }) => option === 'chardev' && type === 'stdio')) return options;
  if (options.serial.some(({ kind }) => kind === 'stdio')) {
    throw new UsageError('-chardev stdio and -serial stdio exclude each other: there is one terminal');
  }
  return { ...options, serial: options.serial.length > 0 ? options.serial : [{ kind: 'none' }] };
}
