/** The command line in QEMU's words, with one dash or two, made into plain values. */
import type { ExitBreak } from '../index.ts';
import type { DeviceRequest } from '../machine/board/device-table.ts';
import { MACHINE_TYPES, type MachineType } from '../machine/board/machine-type.ts';
import { LINUX_BOOTS, type LinuxBoot } from '../machine/firmware/loaders/linux.ts';
import { MAX_VCPUS } from '../machine/options.ts';
import { addBackend, addDrive, addNic, addVirtfs, type BackendRequest, backendHelp } from './backends.ts';
import { type FlatImage, parseDevice } from './devices.ts';
import { addFwCfg, addSmbios, type FirmwareOptions } from './firmware.ts';
import { type DumpRequest, parseObject } from './netdevs.ts';
import { checkKeys, parseNumber, parseProperties, splitCommas } from './properties.ts';
import { type Question, questionIn } from './questions.ts';
import { UsageError } from './usage-error.ts';
import { parseBreak } from './vmexits.ts';

/** Where the output of a serial port or of port 0xe9 goes. */
export type Sink = { kind: 'stdio' } | { kind: 'none' } | { kind: 'file'; path: string };

export const TRACE_ITEMS = ['in_asm', 'int', 'exec', 'vmexit'] as const;
export type TraceItem = (typeof TRACE_ITEMS)[number];

export interface RunOptions {
  kernel?: string;
  /** What the guest is told as the kernel's name instead of its path. */
  kernelName?: string;
  /** The hypervisor of the package runs, because nothing else was named. */
  isDemo?: boolean;
  flat?: FlatImage;
  append?: string;
  /** Module files with their arguments. */
  modules: { path: string; commandLine: string }[];
  linuxBoot?: LinuxBoot;
  firmware: FirmwareOptions;
  memory?: string;
  cpu?: string;
  vcpus?: number;
  machine?: MachineType;
  devices: DeviceRequest[];
  backends: BackendRequest[];
  /** Networks to be written down. */
  dumps: DumpRequest[];
  serial: Sink[];
  debugcon: Sink;
  nographic: boolean;
  vga?: 'std' | 'none';
  reboot: boolean;
  date?: Date;
  clock?: 'vm' | 'host';
  /** What is written to disks is forgotten. */
  temporaryDisks?: boolean;
  trace: TraceItem[];
  traceFile?: string;
  report: boolean;
  /** Print the table of VM exits at the end; the current VMCS. */
  stat: boolean;
  vmcs: boolean;
  /** The table as JSON. */
  json: boolean;
  /** The VM exit that ends the run. */
  exit?: ExitBreak;
  limit?: number;
  /** The answer to a question, to be printed instead of a run. */
  help?: string;
}

export type Command =
  | { kind: Question }
  | { kind: 'cpu-help' }
  | { kind: 'device-help'; text: string }
  | { kind: 'run'; options: RunOptions };

type Handler = (options: RunOptions, value: string) => void;

const CONSOLE_OFF = ['none', 'null'];
const TOPOLOGY = ['sockets', 'cores', 'threads'];
/** QEMU's names with a version, which changes nothing here. */
const VERSIONED = /^pc-(i440fx|q35)-\d+\.\d+$/;

/** Options of QEMU that this version knows and does not have yet. */
const NOT_YET: Record<string, string> = {
  cdrom: 'a CD drive',
  s: 'a debug stub',
  S: 'a debug stub',
  gdb: 'a debug stub',
  qmp: 'a control socket',
  loadvm: 'snapshots',
  'enable-kvm': 'the accelerator kvm',
};

const WITHOUT_VALUE: Record<string, (options: RunOptions) => void> = {
  nographic: (options) => {
    options.nographic = true;
  },
  'no-reboot': (options) => {
    options.reboot = false;
  },
  nodefaults: () => {},
  report: (options) => {
    options.report = true;
  },
  json: (options) => {
    options.json = true;
  },
  snapshot: (options) => {
    options.temporaryDisks = true;
  },
};

const WITH_VALUE: Record<string, Handler> = {
  kernel: (options, value) => {
    options.kernel = value;
  },
  bios: (options, value) => {
    options.firmware.bios = value;
  },
  fw_cfg: (options, value) => addFwCfg(options.firmware, value),
  smbios: (options, value) => addSmbios(options.firmware, value),
  append: (options, value) => {
    options.append = value;
  },
  initrd: (options, value) => {
    options.modules = splitCommas(value).map((commandLine) => ({ path: commandLine.split(' ')[0], commandLine }));
  },
  m: (options, value) => {
    options.memory = parseMemoryOption(value);
  },
  cpu: (options, value) => {
    options.cpu = value;
  },
  smp: (options, value) => {
    options.vcpus = parseSmp(value);
  },
  accel: (_options, value) => checkAccel(parseProperties('accel', value).name),
  M: setMachine,
  machine: setMachine,
  device: addDevice,
  drive: withHelp('drive', addDrive),
  pflash: (options, value) => addDrive(options, `if=pflash,format=raw,file=${value.replaceAll(',', ',,')}`),
  hda: (options, value) => addDrive(options, `file=${value.replaceAll(',', ',,')}`),
  netdev: withHelp('netdev', (options, value) => addBackend(options, 'netdev', value)),
  chardev: withHelp('chardev', (options, value) => addBackend(options, 'chardev', value)),
  nic: withHelp('netdev', addNic),
  fsdev: withHelp('fsdev', (options, value) => addBackend(options, 'fsdev', value)),
  virtfs: withHelp('fsdev', addVirtfs),
  object: (options, value) => {
    options.dumps.push(parseObject(value));
  },
  serial: (options, value) => {
    options.serial.push(parseSink('serial', value));
  },
  debugcon: (options, value) => {
    options.debugcon = parseSink('debugcon', value);
  },
  display: onlyNone('display'),
  monitor: onlyNone('monitor'),
  parallel: onlyNone('parallel'),
  vga: (options, value) => {
    if (value !== 'std' && value !== 'none') throw new UsageError(`-vga ${value}: there are std and none`);
    options.vga = value;
  },
  net: onlyNone('net'),
  rtc: (options, value) => {
    const list = parseProperties('rtc', value);
    checkKeys('rtc', list, ['base', 'clock']);
    options.date = parseDate(list.values.get('base'));
    options.clock = parseClock(list.values.get('clock'));
  },
  d: (options, value) => {
    options.trace = value.split(',').map(parseTraceItem);
  },
  D: (options, value) => {
    options.traceFile = value;
  },
  break: (options, value) => {
    options.exit = parseBreak(value);
  },
  limit: (options, value) => {
    options.limit = parseNumber('-limit', value, 1, Number.MAX_SAFE_INTEGER);
  },
};

/** Parses everything after the command's name. Throws UsageError with the reason. */
export function parseCommandLine(args: readonly string[]): Command {
  const options: RunOptions = {
    modules: [],
    firmware: { fwCfg: [], smbios: {} },
    devices: [],
    backends: [],
    dumps: [],
    serial: [],
    debugcon: { kind: 'stdio' },
    nographic: false,
    reboot: true,
    trace: [],
    report: false,
    stat: false,
    vmcs: false,
    json: false,
  };
  for (let i = 0; i < args.length; i++) {
    const word = args[i];
    if (!word.startsWith('-') || word === '-') {
      throw new UsageError(`'${word}' is no option; images are given by -kernel FILE`);
    }
    const name = word.replace(/^--?/, '');
    const question = questionIn(word);
    if (question) return { kind: question };
    const flag = own(WITHOUT_VALUE, name);
    if (flag) {
      flag(options);
      continue;
    }
    const handler = own(WITH_VALUE, name);
    if (!handler) throw unknownOption(word, name);
    if (i + 1 >= args.length) throw new UsageError(`${word} needs a value`);
    const value = args[++i];
    if (name === 'cpu' && (value === 'help' || value === '?')) return { kind: 'cpu-help' };
    handler(options, value);
    if (options.help !== undefined) return { kind: 'device-help', text: options.help };
  }
  for (const { option, values } of options.backends) {
    if (option === 'drive' && options.temporaryDisks) values.snapshot ??= true;
  }
  if (options.kernel && options.flat) {
    throw new UsageError(`-kernel ${options.kernel} and -device loader,file=${options.flat.path} exclude each other`);
  }
  const { bios } = options.firmware;
  if (bios && (options.kernel || options.flat)) {
    throw new UsageError(`-bios ${bios} boots what it finds on disks; it takes no kernel`);
  }
  if (options.modules.length > 0 && !options.kernel) throw new UsageError('-initrd needs a -kernel that it is for');
  return { kind: 'run', options };
}

function own<T>(table: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function unknownOption(word: string, name: string): UsageError {
  const missing = own(NOT_YET, name);
  return new UsageError(
    missing ? `${word}: this version has no support for ${missing} yet` : `unknown option ${word}; --help lists them`,
  );
}

function onlyNone(option: string): Handler {
  return (_options, value) => {
    if (value !== 'none') throw new UsageError(`-${option} ${value}: only 'none' is possible`);
  };
}

/** `-m 256M`, `-m 256` and `-m size=256M`; what the sizes mean is the machine's to say. */
function parseMemoryOption(value: string): string {
  const list = parseProperties('m', value);
  checkKeys('m', list, ['size']);
  return list.values.get('size') ?? list.name;
}

/** `-smp 4`, `-smp cpus=4` or `-smp sockets=2,cores=2`; how the processors are packed is not shown to the guest. */
function parseSmp(value: string): number {
  const list = parseProperties('smp', value);
  checkKeys('smp', list, ['cpus', ...TOPOLOGY, 'maxcpus']);
  if (list.name !== '') list.values.set('cpus', list.name);
  const count = (key: string): number => parseNumber(`-smp ${key}`, list.values.get(key) ?? '1', 1, 255);
  const packed = TOPOLOGY.reduce((product, key) => product * count(key), 1);
  const cpus = list.values.has('cpus') ? count('cpus') : packed;
  if (cpus > MAX_VCPUS) throw new UsageError(`-smp ${value}: 1 to ${MAX_VCPUS} processors`);
  if (TOPOLOGY.some((key) => list.values.has(key)) && cpus % packed !== 0) {
    throw new UsageError(`-smp ${value}: sockets, cores and threads make ${packed} processors, not ${cpus}`);
  }
  if (list.values.has('maxcpus') && count('maxcpus') !== cpus) {
    throw new UsageError(`-smp ${value}: processors cannot be added later, maxcpus must be ${cpus}`);
  }
  return cpus;
}

function checkAccel(name: string): void {
  if (name === 'kvm') throw new UsageError('-accel kvm: this version has no support for it yet; there is bare');
  if (name !== 'bare' && name !== 'tcg') throw new UsageError(`-accel ${name}: there are bare and its alias tcg`);
}

function setMachine(options: RunOptions, value: string): void {
  const list = parseProperties('machine', value);
  checkKeys('machine', list, ['accel', 'linux-boot']);
  if (list.name !== '') {
    const version = VERSIONED.exec(list.name);
    const name = version ? (version[1] === 'q35' ? 'q35' : 'pc') : list.name;
    const machine = MACHINE_TYPES.find((type) => type === name);
    if (!machine) throw new UsageError(`-machine ${list.name}: there are ${MACHINE_TYPES.join(', ')}`);
    options.machine = machine;
  }
  const accel = list.values.get('accel');
  if (accel !== undefined) checkAccel(accel);
  const boot = list.values.get('linux-boot');
  if (boot === undefined) return;
  options.linuxBoot = LINUX_BOOTS.find((one) => one === boot);
  if (!options.linuxBoot) throw new UsageError(`-machine linux-boot=${boot}: there are ${LINUX_BOOTS.join(', ')}`);
}

function addDevice(options: RunOptions, value: string): void {
  const parsed = parseDevice(value);
  if (parsed.kind === 'help') options.help = parsed.text;
  else if (parsed.kind === 'loader') options.flat = parsed.flat;
  else options.devices.push(parsed.request);
}

/** An option whose value `help` asks what there is. */
function withHelp(option: BackendRequest['option'], handler: Handler): Handler {
  return (options, value) => {
    if (value === 'help' || value === '?') options.help = backendHelp(option);
    else handler(options, value);
  };
}

function parseSink(option: string, value: string): Sink {
  if (value === 'stdio' || value === 'mon:stdio') return { kind: 'stdio' };
  if (CONSOLE_OFF.includes(value)) return { kind: 'none' };
  if (value.startsWith('file:') && value.length > 5) return { kind: 'file', path: value.slice(5) };
  throw new UsageError(`-${option} ${value}: there are stdio, none and file:PATH`);
}

function parseTraceItem(item: string): TraceItem {
  const known = TRACE_ITEMS.find((one) => one === item);
  if (!known) throw new UsageError(`-d ${item}: there are ${TRACE_ITEMS.join(', ')}`);
  return known;
}

function parseClock(clock: string | undefined): RunOptions['clock'] {
  if (clock === undefined || clock === 'vm' || clock === 'host') return clock;
  throw new UsageError(`-rtc clock=${clock}: there are vm (time counts instructions) and host`);
}

function parseDate(base: string | undefined): Date | undefined {
  if (base === undefined) return undefined;
  if (base === 'utc') return new Date();
  const date = new Date(/[TZ]/.test(base) ? `${base.replace(/Z$/, '')}Z` : base);
  if (Number.isNaN(date.getTime())) {
    throw new UsageError(`-rtc base=${base}: there are utc and dates such as 2026-01-31T12:00:00`);
  }
  return date;
}
