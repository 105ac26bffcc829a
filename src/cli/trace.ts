/** `-d`: what the guest does, line by line as in QEMU's logs, on the error output or in a file. */
import { Efer } from '../core/enums.gen.ts';
import type { Core, TracedEvent, Tracer } from '../index.ts';
import { disassemble } from '../isa/disasm.ts';
import { readLinear } from '../machine/host/translate.ts';
import type { RunOptions } from './options.ts';
import type { CliHost } from './process.ts';

const LONGEST_INSTRUCTION = 15;
const BYTES_COLUMN = 3 * 11;
const Rights = { LONG: 0x2000, BIG: 0x4000 } as const;
const REGISTERS = [
  ['rax', 'rbx', 'rcx', 'rdx'],
  ['rsi', 'rdi', 'rbp', 'rsp'],
  ['r8', 'r9', 'r10', 'r11'],
  ['r12', 'r13', 'r14', 'r15'],
  ['rip', 'rflags', 'cr2', 'cr3'],
] as const;
const PAGE_FAULT = 14;
/** Code that was listed; beyond, the list begins anew, and code may be listed a second time. */
const MOST_SEEN = 1 << 16;

/** Makes the tracer that `-d` asks for, if any, the function that writes its lines, and the one that ends it. */
export function makeTracer(
  { trace, traceFile }: Pick<RunOptions, 'trace' | 'traceFile'>,
  host: CliHost,
): { tracer?: Tracer; write: (line: string) => void; close: () => void } {
  if (trace.length === 0) return { write: () => {}, close: () => {} };
  const file = traceFile === undefined ? null : host.openFile(traceFile);
  const write = (line: string): void => (file ? file.write(`${line}\n`) : host.error(`${line}\n`));
  const tracer: Tracer = {};
  const listsCode = trace.includes('in_asm');
  const listsSteps = trace.includes('exec');
  const seen = new Set<string>();
  if (listsCode || listsSteps) {
    tracer.instruction = (core, cpu) => {
      if (listsCode) listOnce(core, seen, write);
      if (listsSteps) write(stepLine(core, cpu));
    };
  }
  if (trace.includes('int')) {
    let count = 0;
    tracer.event = (event, core, cpu) => write(eventLines(count++, event, core, cpu));
  }
  return { tracer, write, close: () => file?.close() };
}

/** One line per address and bytes: code that changes is listed anew. */
function listOnce(core: Core, seen: Set<string>, write: (line: string) => void): void {
  const cs = core.getSegment('cs');
  const ip = core.get('rip');
  const is64 = (cs.rights & Rights.LONG) !== 0 && (core.get('efer') & Efer.LMA) !== 0n;
  const mode = is64 ? 64 : cs.rights & Rights.BIG ? 32 : 16;
  const linear = is64 ? ip : (cs.base + ip) & 0xffff_ffffn;
  const bytes = readLinear(core, linear, LONGEST_INSTRUCTION);
  const found = disassemble(bytes, { mode, ip });
  const [length, text] =
    'invalid' in found ? [Math.min(bytes.length, 1), `(${found.invalid})`] : [found.length, found.text];
  const shown = [...bytes.subarray(0, length)].map((byte) => hex(byte, 2)).join(' ');
  const line = `0x${hex(linear, is64 ? 16 : 8)}:  ${shown.padEnd(BYTES_COLUMN)} ${text}`;
  if (seen.has(line)) return;
  if (seen.size >= MOST_SEEN) seen.clear();
  seen.add(line);
  write(line);
}

/** The processor, the code segment's base, the instruction pointer and the flags before an instruction. */
function stepLine(core: Core, cpu: number): string {
  const parts = [hex(core.getSegment('cs').base, 16), hex(core.get('rip'), 16), hex(core.get('rflags'), 8)];
  return `Trace ${cpu}: [${parts.join('/')}]`;
}

/** The event as QEMU heads it, the processor if it is not the first, and the registers its handler starts with. */
function eventLines(count: number, event: TracedEvent, core: Core, cpu: number): string {
  const { vector, errorCode, isSoftware, cpl, cs, rip, ss, rsp } = event;
  const head = `${String(count).padStart(6)}: v=${hex(vector, 2)} e=${hex(errorCode, 4)} i=${isSoftware ? 1 : 0} cpl=${cpl}`;
  const place = `IP=${hex(cs, 4)}:${hex(rip, 16)} SP=${hex(ss, 4)}:${hex(rsp, 16)}`;
  const address = vector === PAGE_FAULT ? ` CR2=${hex(core.get('cr2'), 16)}` : '';
  const processor = cpu > 0 ? ` cpu=${cpu}` : '';
  const rows = REGISTERS.map((row) =>
    row.map((name) => `${name.toUpperCase().padEnd(3)}=${hex(core.get(name), 16)}`).join(' '),
  );
  return [`${head} ${place}${address}${processor}`, ...rows].join('\n');
}

const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0');
