/** What a run stands on: the machine, with its consoles, traces, backends and the terminal connected. */
import { checkDevice, type DeviceRequest, type DeviceSpec } from '../machine/board/device-table.ts';
import { Machine } from '../machine/machine.ts';
import { DEFAULT_DATE, type MachineOptions } from '../machine/options.ts';
import { openBackends } from './backends.ts';
import { openSinks, openStdio, type Stdio } from './consoles.ts';
import { CrashWatch } from './crash-report.ts';
import { openFirmware } from './firmware.ts';
import { keyFilter } from './keys.ts';
import { withDumps } from './netdevs.ts';
import type { RunOptions } from './options.ts';
import type { CliHost } from './process.ts';
import { StdioChardev } from './stdio-chardev.ts';
import { makeTracer } from './trace.ts';
import { exitLine, failureLine } from './vmexits.ts';

/** What a machine is made of besides the command line; tests put their own processor here. */
export type MachineExtras = Pick<MachineOptions, 'createCore'>;

export interface Surroundings {
  host: CliHost;
  extras: MachineExtras;
  /** What is to be called when the run is over, the last first. */
  ends: (() => void | Promise<void>)[];
}

export interface Session {
  machine: Machine;
  stdio: Stdio;
  crash: CrashWatch;
  /** Lets the guest hear what is typed; what it returns ends that. */
  listen(): () => void;
}

/** Opens all that `options` name and connects it. Throws if that is not possible. */
export async function openSession(options: RunOptions, { host, extras, ends }: Surroundings): Promise<Session> {
  const stdio = openStdio(host);
  const sinks = openSinks(options, host, stdio);
  for (const sink of new Set(sinks.values())) ends.push(() => sink.close());
  const { tracer, write: writeTrace, close: closeTrace } = makeTracer(options, host);
  ends.push(closeTrace);
  const { netdevs = {}, close: closeBackends, ...backends } = await openBackends(options.backends, host);
  ends.push(closeBackends);
  const dumped = withDumps(netdevs, options.dumps, host, options.date?.getTime() ?? DEFAULT_DATE);
  ends.push(dumped.close);
  const typist = findTypist(options, Object.values(backends.chardevs ?? {}), host);
  const machine = await Machine.create({
    ...extras,
    ...settingsOf(options),
    ...images(options, host),
    ...openFirmware(options.firmware, (path) => readFile(host, path)),
    ...backends,
    netdevs: dumped.netdevs,
    waitForInput: typist.input !== null,
    clock: options.clock ?? (typist.input?.isTerminal ? 'host' : 'vm'),
    tracer,
  });
  const crash = new CrashWatch();
  tellFailures(machine, options, host, writeTrace);
  for (const note of machine.notes) host.error(`vmlaunch: ${note}\n`);
  machine.on('console', (text, { source, bytes }) => {
    sinks.get(source)?.write(bytes);
    crash.hear(text);
  });
  machine.on('log', (line) => host.error(`vmlaunch: ${line}\n`));
  await openVsock(machine, ends);
  return { machine, stdio, crash, listen: () => listen(machine, options, typist) };
}

/** The part of the options that a machine takes as it is. */
function settingsOf(options: RunOptions): Partial<MachineOptions> {
  const { memory, cpu, vcpus, append, machine, vga, linuxBoot, reboot, date } = options;
  return {
    memory,
    cpu,
    vcpus,
    append,
    machine,
    vga,
    linuxBoot,
    reboot,
    date,
    devices: options.devices.map(deviceSpec),
    serialPorts: Math.max(1, options.serial.length),
    recordExits: options.trace.includes('vmexit'),
  };
}

function deviceSpec(request: DeviceRequest): DeviceSpec {
  checkDevice(request);
  return request;
}

function images(
  { kernel, kernelName = kernel, flat, modules }: RunOptions,
  host: CliHost,
): Pick<MachineOptions, 'kernel' | 'kernelName' | 'flat' | 'modules'> {
  if (flat) return { kernel: readFile(host, flat.path), flat: { address: flat.address, mode: flat.mode } };
  if (kernel === undefined) return {};
  return {
    kernel: readFile(host, kernel),
    kernelName,
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

/** Writes every VM exit if they are traced; otherwise tells of the first VM entry that fails. */
function tellFailures(machine: Machine, options: RunOptions, host: CliHost, write: (line: string) => void): void {
  let told = 0;
  machine.on('vmexit', (record, cpu) => {
    if (options.trace.includes('vmexit')) write(exitLine(record, cpu));
    else if (record.failure && !options.exit?.failure && told++ === 0) {
      host.error(`vmlaunch: ${failureLine(record)}; -d vmexit tells of further ones\n`);
    }
  });
}

async function openVsock({ vsock }: Machine, ends: Surroundings['ends']): Promise<void> {
  if (!vsock.path) return;
  const { VsockUnix } = await import('../node/vsock-unix.ts');
  const sockets = await VsockUnix.open(vsock, vsock.path);
  ends.push(() => sockets.close());
}

/** Who types, and what hears it: -chardev stdio, or the first serial port at the terminal. */
interface Typist {
  input: CliHost['input'];
  terminal: StdioChardev | undefined;
  port: number;
}

function findTypist({ serial }: RunOptions, chardevs: readonly unknown[], host: CliHost): Typist {
  const terminal = chardevs.find((chardev) => chardev instanceof StdioChardev);
  const port = serial.length === 0 ? 0 : serial.findIndex(({ kind }) => kind === 'stdio');
  return { input: terminal || port >= 0 ? host.input : null, terminal, port };
}

function listen(machine: Machine, { nographic }: RunOptions, { input, terminal, port }: Typist): () => void {
  const send = (bytes: Uint8Array): void => (terminal ? terminal.type(bytes) : machine.send(bytes, port));
  const stop = input?.start(
    input.isTerminal ? keyFilter({ passesCtrlC: nographic, send, leave: () => machine.stop() }) : send,
    () => machine.closeInput(),
  );
  return stop ?? (() => {});
}
