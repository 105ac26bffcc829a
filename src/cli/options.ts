/** The command line in QEMU's words, with one dash or two, made into plain values. */
import { type BootMode, type DeviceSpec, MAX_VCPUS } from '../index.ts';
import { checkKeys, parseNumber, parseProperties, splitCommas } from './properties.ts';
import { UsageError } from './usage-error.ts';

/** Where the output of a serial port or of port 0xe9 goes. */
export type Sink = { kind: 'stdio' } | { kind: 'none' } | { kind: 'file'; path: string };

export const TRACE_ITEMS = ['in_asm', 'int', 'exec'] as const;
export type TraceItem = (typeof TRACE_ITEMS)[number];

export interface FlatImage {
  path: string;
  address: number;
  mode: BootMode;
}

export interface RunOptions {
  kernel?: string;
  flat?: FlatImage;
  append?: string;
  /** Module files with their arguments. */
  modules: { path: string; commandLine: string }[];
  memory?: string;
  cpu?: string;
  vcpus?: number;
  devices: DeviceSpec[];
  serial: Sink[];
  debugcon: Sink;
  nographic: boolean;
  reboot: boolean;
  date?: Date;
  clock?: 'vm' | 'host';
  trace: TraceItem[];
  traceFile?: string;
  report: boolean;
  limit?: number;
}

export type Command =
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'cpu-help' }
  | { kind: 'run'; options: RunOptions };

type Handler = (options: RunOptions, value: string) => void;

const CONSOLE_OFF = ['none', 'null'];
const MODES: Record<string, BootMode> = { 16: 16, 32: 32, 64: 64 };
const TOPOLOGY = ['sockets', 'cores', 'threads'];
const LAST_PORT = 0xffff;
const LAST_ADDRESS = 0xffff_ffff;

/** Options of the real thing that this version knows and has nothing behind yet. */
const NOT_YET: Record<string, string> = {
  bios: 'firmware images',
  pflash: 'firmware images',
  drive: 'disks',
  hda: 'disks',
  cdrom: 'disks',
  netdev: 'networks',
  nic: 'networks',
  s: 'a debug stub',
  S: 'a debug stub',
  gdb: 'a debug stub',
  qmp: 'a control socket',
  snapshot: 'disks',
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
};

const WITH_VALUE: Record<string, Handler> = {
  kernel: (options, value) => {
    options.kernel = value;
  },
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
  M: (_options, value) => checkMachine(value),
  machine: (_options, value) => checkMachine(value),
  device: addDevice,
  serial: (options, value) => {
    options.serial.push(parseSink('serial', value));
  },
  debugcon: (options, value) => {
    options.debugcon = parseSink('debugcon', value);
  },
  display: onlyNone('display'),
  monitor: onlyNone('monitor'),
  parallel: onlyNone('parallel'),
  vga: onlyNone('vga'),
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
  limit: (options, value) => {
    options.limit = parseNumber('-limit', value, 1, Number.MAX_SAFE_INTEGER);
  },
};

/** Parses everything behind the command's name. Throws UsageError with the reason. */
export function parseCommandLine(args: readonly string[]): Command {
  const options: RunOptions = {
    modules: [],
    devices: [],
    serial: [],
    debugcon: { kind: 'stdio' },
    nographic: false,
    reboot: true,
    trace: [],
    report: false,
  };
  for (let i = 0; i < args.length; i++) {
    const word = args[i];
    if (!word.startsWith('-') || word === '-') {
      throw new UsageError(`'${word}' is no option; images are given by -kernel FILE`);
    }
    const name = word.replace(/^--?/, '');
    if (name === 'help' || name === 'h') return { kind: 'help' };
    if (name === 'version') return { kind: 'version' };
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
  }
  if (options.kernel && options.flat) {
    throw new UsageError(`-kernel ${options.kernel} and -device loader,file=${options.flat.path} exclude each other`);
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

function checkMachine(value: string): void {
  const list = parseProperties('machine', value);
  checkKeys('machine', list, ['accel']);
  if (list.name !== '' && list.name !== 'pc') throw new UsageError(`-machine ${list.name}: there is pc`);
  const accel = list.values.get('accel');
  if (accel !== undefined) checkAccel(accel);
}

function addDevice(options: RunOptions, value: string): void {
  const list = parseProperties('device', value);
  const { name, values } = list;
  switch (name) {
    case 'isa-debug-exit': {
      checkKeys('device', list, ['iobase', 'iosize']);
      const number = (key: string, max: number): number | undefined => {
        const text = values.get(key);
        return text === undefined ? undefined : parseNumber(`-device isa-debug-exit,${key}=`, text, 1, max);
      };
      options.devices.push({ type: name, iobase: number('iobase', LAST_PORT), iosize: number('iosize', 4) });
      break;
    }
    case 'pc-testdev':
      checkKeys('device', list, []);
      options.devices.push({ type: name });
      break;
    case 'loader':
      options.flat = parseLoader(list);
      break;
    default:
      throw new UsageError(`-device ${name}: there are isa-debug-exit, pc-testdev and loader`);
  }
}

/** QEMU's generic loader, plus the mode in which the image is entered. */
function parseLoader(list: ReturnType<typeof parseProperties>): FlatImage {
  checkKeys('device', list, ['file', 'addr', 'mode', 'cpu-num', 'force-raw']);
  const [path, address, modeText = '16'] = ['file', 'addr', 'mode'].map((key) => list.values.get(key));
  if (!path) throw new UsageError('-device loader needs file=FILE');
  if (!address) throw new UsageError(`-device loader,file=${path} needs addr=ADDRESS`);
  const mode = own(MODES, modeText);
  if (!mode) throw new UsageError(`-device loader,mode=${modeText}: there are 16, 32 and 64`);
  return { path, address: parseNumber('-device loader,addr=', address, 0, LAST_ADDRESS), mode };
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
