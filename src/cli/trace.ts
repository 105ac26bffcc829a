/** `-d`: what the guest does, in the words of QEMU's logs, on the error output or in a file. */
import type { Core, Tracer } from '../index.ts';
import type { CliHost } from './host.ts';
import type { RunOptions } from './options.ts';

const INSTRUCTION_BYTES = 15;

/** Makes the tracer that `-d` asks for, if any, and the function that ends it. */
export function makeTracer(
  { trace, traceFile }: Pick<RunOptions, 'trace' | 'traceFile'>,
  host: CliHost,
): { tracer?: Tracer; close: () => void } {
  if (trace.length === 0) return { close: () => {} };
  const file = traceFile === undefined ? null : host.openFile(traceFile);
  const write = (line: string): void => (file ? file.write(`${line}\n`) : host.error(`${line}\n`));
  const tracer: Tracer = {};
  const seen = new Set<string>();
  const listeners: ((core: Core) => void)[] = [];
  if (trace.includes('in_asm')) listeners.push((core) => listOnce(core, seen, write));
  if (trace.includes('exec')) listeners.push((core) => write(`Trace 0: ${address(core.get('rip'))}`));
  if (listeners.length > 0) {
    tracer.instruction = (core) => {
      for (const listener of listeners) listener(core);
    };
  }
  if (trace.includes('int')) {
    tracer.interrupt = (vector, core) =>
      write(`Servicing hardware INT=0x${byte(vector)} at ${address(core.get('rip'))}`);
  }
  return { tracer, close: () => file?.close() };
}

/** Lists the bytes at CS:RIP the first time they are seen there. */
function listOnce(core: Core, seen: Set<string>, write: (line: string) => void): void {
  const at = Number(core.getSegment('cs').base + core.get('rip'));
  if (at + INSTRUCTION_BYTES > core.memory.size) return;
  const line = `${address(BigInt(at))}:  ${[...core.memory.bytes(at, INSTRUCTION_BYTES)].map(byte).join(' ')}`;
  if (seen.has(line)) return;
  seen.add(line);
  write(line);
}

const byte = (value: number): string => value.toString(16).padStart(2, '0');
const address = (value: bigint): string => `0x${value.toString(16).padStart(8, '0')}`;
