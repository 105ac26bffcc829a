/** Boots a guest for the command line: files in, consoles out, an exit code at the end. */
import type { ConsoleSource, Outcome } from '../machine/events.ts';
import { Machine } from '../machine/machine.ts';
import { DEFAULT_DATE, type MachineOptions } from '../machine/options.ts';
import { formatReport } from '../machine/run/report.ts';
import { openBackends } from './backends.ts';
import { closeAll } from './close-all.ts';
import { CrashWatch } from './crash-report.ts';
import { demo } from './demo.ts';
import { openFirmware } from './firmware.ts';
import { Interrupts } from './interrupts.ts';
import { keyFilter } from './keys.ts';
import { withDumps } from './netdevs.ts';
import type { CliHost } from './process.ts';
import type { RunOptions, Sink } from './run-options.ts';
import { StdioChardev } from './stdio-chardev.ts';
import { makeTracer } from './trace.ts';
import { UsageError } from './usage-error.ts';
import { exitLine, failureLine, statTables, vmcsDump, vmcsLine } from './vmexits.ts';

interface OpenSink {
  write(bytes: Uint8Array | string): void;
  close(): void;
}

const NEWLINE = 10;
const OUTCOME_TEXT: Partial<Record<Outcome['reason'], string>> = {
  halted: 'the guest halted with nothing to wake it',
  shutdown: 'the guest triple-faulted',
  limit: 'the limit of instructions is reached',
};

/** What a machine is made of besides the command line; tests put their own processor here. */
export type MachineExtras = Pick<MachineOptions, 'createCore'>;

/** Runs the guest and returns the exit code of the process. Throws where the machine cannot be made. */
export async function runGuest(wishes: RunOptions, host: CliHost, extras: MachineExtras = {}): Promise<number> {
  const hasDisk = wishes.devices.some((device) => 'drive' in device);
  const isDemo = !hasDisk && [wishes.kernel, wishes.flat, wishes.firmware.bios].every((image) => image === undefined);
  const options = withoutTwoTerminals(isDemo ? demo(wishes) : wishes);
  const interrupts = new Interrupts(host);
  const ends: (() => void | Promise<void>)[] = [() => interrupts.close()];
  let code = 1;
  const failed: (() => void)[] = [];
  try {
    code = await runMachine(options, isDemo, { host, extras, interrupts, ends });
  } catch (error) {
    failed.push(() => {
      throw error;
    });
  }
  await closeAll([...failed, ...ends.reverse()]);
  return code;
}

interface Surroundings {
  host: CliHost;
  extras: MachineExtras;
  interrupts: Interrupts;
  /** What is to be called when the run is over, the last first. */
  ends: (() => void | Promise<void>)[];
}

async function runMachine(
  options: RunOptions,
  isDemo: boolean,
  { host, extras, interrupts, ends }: Surroundings,
): Promise<number> {
  const stdio = openStdio(host);
  const sinks = openSinks(options, host, stdio);
  for (const sink of new Set(sinks.values())) ends.push(() => sink.close());
  const { tracer, write: writeTrace, close: closeTrace } = makeTracer(options, host);
  ends.push(closeTrace);
  const backends = await openBackends(options.backends, host);
  ends.push(() => backends.close());
  const terminal = Object.values(backends.chardevs ?? {}).find((chardev) => chardev instanceof StdioChardev);
  /** The serial port that hears what is typed: the first at the terminal. */
  const typedAt = options.serial.length === 0 ? 0 : options.serial.findIndex(({ kind }) => kind === 'stdio');
  const input = terminal || typedAt >= 0 ? host.input : null;
  const crash = new CrashWatch();
  const dumped = withDumps(backends.netdevs ?? {}, options.dumps, host, options.date?.getTime() ?? DEFAULT_DATE);
  ends.push(dumped.close);
  const machine = await Machine.create({
    ...extras,
    ...images(options, host),
    ...openFirmware(options.firmware, (path) => readFile(host, path)),
    ...(isDemo ? { kernelName: 'vmx-ept.elf' } : {}),
    memory: options.memory,
    cpu: options.cpu,
    vcpus: options.vcpus,
    append: options.append,
    machine: options.machine,
    vga: options.vga,
    devices: options.devices,
    drives: backends.drives,
    netdevs: dumped.netdevs,
    chardevs: backends.chardevs,
    folders: backends.folders,
    linuxBoot: options.linuxBoot,
    serialPorts: Math.max(1, options.serial.length),
    reboot: options.reboot,
    waitForInput: input !== null,
    clock: options.clock ?? (input?.isTerminal ? 'host' : 'vm'),
    date: options.date,
    tracer,
    recordExits: options.trace.includes('vmexit'),
  });
  let toldFailures = 0;
  machine.on('vmexit', (record, cpu) => {
    if (options.trace.includes('vmexit')) writeTrace(exitLine(record, cpu));
    else if (record.failure && !options.exit?.failure && toldFailures++ === 0) {
      host.error(`vmlaunch: ${failureLine(record)}; -d vmexit tells of further ones\n`);
    }
  });
  for (const note of machine.notes) host.error(`vmlaunch: ${note}\n`);
  machine.on('console', (text, { source, bytes }) => {
    sinks.get(source)?.write(bytes);
    crash.hear(text);
  });
  machine.on('log', (line) => host.error(`vmlaunch: ${line}\n`));
  const { path } = machine.vsock;
  if (path) {
    const sockets = await (await import('../node/vsock-unix.ts')).VsockUnix.open(machine.vsock, path);
    ends.push(() => sockets.close());
  }
  const send = (bytes: Uint8Array): void => (terminal ? terminal.type(bytes) : machine.send(bytes, typedAt));
  const stopInput = input?.start(
    input.isTerminal ? keyFilter({ passesCtrlC: options.nographic, send, leave: () => machine.stop() }) : send,
    () => machine.closeInput(),
  );
  interrupts.watch(machine);
  const stopped: Outcome = { reason: 'stopped' };
  const running = interrupts.happened ? stopped : machine.run({ instructions: options.limit, exit: options.exit });
  const outcome = await Promise.resolve(running).finally(() => stopInput?.());
  const crashed = crash.report(outcome, machine.cores);
  const text = interrupts.text ?? outcomeText(outcome, options);
  const said = crashed ?? (text && `vmlaunch: ${text}`);
  if (options.stat || options.vmcs) {
    const tables = [
      ...(options.stat ? [statText(machine, options.json)] : []),
      ...(options.vmcs
        ? machine.cores.map(({ vmx }, cpu) => (options.json ? vmcsLine : vmcsDump)(vmx?.vmcs() ?? null, cpu))
        : []),
    ];
    stdio.write(`${stdio.isMidLine() ? '\n' : ''}\n${tables.join('\n\n')}\n`);
  }
  const last = [...(said ? [said] : []), ...(options.report ? [formatReport(machine.report)] : [])];
  if (last.length > 0) host.error(`${stdio.isMidLine() ? '\n' : ''}${last.join('\n')}\n`);
  const { exitCode } = interrupts;
  if (exitCode !== undefined) return exitCode;
  if (outcome.reason === 'panicked') return 1;
  if (outcome.reason !== 'debug-exit' || (isDemo && outcome.code === 0)) return 0;
  return ((outcome.code << 1) | 1) & 0xff;
}

function outcomeText(outcome: Outcome, { exit }: RunOptions): string | undefined {
  if (outcome.reason === 'vmexit') {
    const { record, cpu } = outcome;
    return `stopped at ${record.failure ? failureLine(record) : exitLine(record, cpu)}`;
  }
  const text = OUTCOME_TEXT[outcome.reason];
  return exit ? `${text ?? 'the guest ended'}; the exit to break at did not come` : text;
}

function statText({ report: { exits }, cores }: Machine, isJson: boolean): string {
  return isJson ? JSON.stringify({ exits }) : statTables(exits, cores.length);
}

/** The terminal is that of -chardev stdio or of the serial ports. Throws UsageError where both are asked for. */
function withoutTwoTerminals(options: RunOptions): RunOptions {
  if (!options.backends.some(({ option, type }) => option === 'chardev' && type === 'stdio')) return options;
  if (options.serial.some(({ kind }) => kind === 'stdio')) {
    throw new UsageError('-chardev stdio and -serial stdio exclude each other: there is one terminal');
  }
  return { ...options, serial: options.serial.length > 0 ? options.serial : [{ kind: 'none' }] };
}

function images(
  { kernel, flat, modules }: RunOptions,
  host: CliHost,
): Pick<MachineOptions, 'kernel' | 'kernelName' | 'flat' | 'modules'> {
  if (flat) return { kernel: readFile(host, flat.path), flat: { address: flat.address, mode: flat.mode } };
  if (kernel === undefined) return {};
  const path = kernel;
  return {
    kernel: readFile(host, path),
    kernelName: path,
    modules: modules.map(({ path, commandLine }) => ({ bytes: readFile(host, path), commandLine })),
  };
}

function readFile(host: CliHost, path: string): Uint8Array {
  try {
    return host.readFile(path);
  } catch (error) {
    throw new Error(`cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Standard output, which knows whether the guest's last line is unfinished. */
function openStdio(host: CliHost): OpenSink & { isMidLine(): boolean } {
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

function openSinks(options: RunOptions, host: CliHost, stdio: OpenSink): Map<ConsoleSource, OpenSink> {
  const open = (sink: Sink): OpenSink | null => {
    if (sink.kind === 'none') return null;
    return sink.kind === 'stdio' ? stdio : host.openFile(sink.path);
  };
  const serial: readonly Sink[] = options.serial.length > 0 ? options.serial : [{ kind: 'stdio' }];
  const wishes: [ConsoleSource, Sink][] = serial.map((sink, port) => [`serial${port}` as ConsoleSource, sink]);
  const sinks = new Map<ConsoleSource, OpenSink>();
  for (const [source, sink] of [...wishes, ['debugcon', options.debugcon] as [ConsoleSource, Sink]]) {
    const opened = open(sink);
    if (opened) sinks.set(source, opened);
  }
  return sinks;
}
