/** The options that have an effect: those without a value, and those with one. */
import { suggest } from '../checks.ts';
import { addBackend, addDrive, addNic, addVirtfs, type BackendRequest, backendHelp } from './backends.ts';
import { parseDevice } from './devices.ts';
import { addFwCfg, addSmbios } from './firmware.ts';
import { addNet } from './legacy-net.ts';
import {
  ACCELERATORS,
  MACHINE_HELP,
  setAccelerator,
  setBoot,
  setClock,
  setCpu,
  setMachine,
  setMemory,
  setProcessors,
} from './machine-settings.ts';
import { addObject } from './objects.ts';
import { parseNumber, splitCommas } from './properties.ts';
import { type Handler, type RunOptions, TRACE_ITEMS, type TraceItem } from './run-options.ts';
import { parseSink } from './sinks.ts';
import { UsageError } from './usage-error.ts';
import { parseBreak } from './vmexits.ts';

/** A day of seconds. */
const LONGEST_TIMEOUT = 86_400;
/** Items of QEMU's -d that need nobody to ask for them here, and the nearest things to others. */
const OTHER_TRACE_ITEMS: Readonly<Record<string, string>> = {
  guest_errors: 'what a driver does wrong is told in any case',
  unimp: 'what a driver does wrong is told in any case',
};
const NEAREST_TRACE_ITEMS: Readonly<Record<string, string>> = {
  cpu: 'in_asm shows instructions, int the registers that matter at exceptions',
  mmu: 'int shows page faults with their addresses',
  cpu_reset: 'int shows what led to a reset',
  pcall: 'int shows protected-mode events',
};

export const WITHOUT_VALUE: Readonly<Record<string, (options: RunOptions) => void>> = {
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

const disk: Handler = (options, value) => addDrive(options, `file=${value.replaceAll(',', ',,')}`);

export const WITH_VALUE: Readonly<Record<string, Handler>> = {
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
  m: setMemory,
  cpu: setCpu,
  smp: setProcessors,
  accel: withHelp(() => ACCELERATORS, setAccelerator),
  M: withHelp(() => MACHINE_HELP, setMachine),
  machine: withHelp(() => MACHINE_HELP, setMachine),
  boot: setBoot,
  device: addDevice,
  drive: withBackendHelp('drive', addDrive),
  pflash: (options, value) => addDrive(options, `if=pflash,format=raw,file=${value.replaceAll(',', ',,')}`),
  hda: disk,
  hdb: disk,
  hdc: disk,
  hdd: disk,
  cdrom: (options, value) => addDrive(options, `media=cdrom,file=${value.replaceAll(',', ',,')}`),
  netdev: withBackendHelp('netdev', (options, value) => addBackend(options, 'netdev', value)),
  chardev: withBackendHelp('chardev', (options, value) => addBackend(options, 'chardev', value)),
  nic: withBackendHelp('netdev', addNic),
  net: addNet,
  fsdev: withBackendHelp('fsdev', (options, value) => addBackend(options, 'fsdev', value)),
  virtfs: withBackendHelp('fsdev', addVirtfs),
  object: addObject,
  serial: (options, value) => {
    options.serial.push(parseSink(options, 'serial', value));
  },
  debugcon: (options, value) => {
    options.debugcon = parseSink(options, 'debugcon', value);
  },
  display: setDisplay,
  monitor: onlyNone('monitor', 'there is no monitor yet'),
  parallel: onlyNone('parallel', 'there is no parallel port'),
  vga: (options, value) => {
    if (value !== 'std' && value !== 'none') throw new UsageError(`-vga ${value}: there are std and none`);
    options.vga = value;
  },
  rtc: setClock,
  d: withHelp(() => `${TRACE_ITEMS.join('\n')}\n`, setTrace),
  D: (options, value) => {
    options.traceFile = value;
  },
  break: (options, value) => {
    options.exit = parseBreak(value);
  },
  limit: (options, value) => {
    options.limit = parseNumber('-limit', value, 1, Number.MAX_SAFE_INTEGER);
  },
  timeout: (options, value) => {
    options.timeout = parseNumber('-timeout', value, 1, LONGEST_TIMEOUT);
  },
  screenshot: (options, value) => {
    options.screenshot = value;
  },
  pidfile: (options, value) => {
    options.pidFile = value;
  },
};

/** `--json=FILE`: the one option whose value comes after an equals sign. */
export function setJsonFile(options: RunOptions, path: string): void {
  options.json = true;
  options.jsonFile = path;
}

function onlyNone(option: string, why: string): Handler {
  return (_options, value) => {
    if (value !== 'none' && value !== 'null')
      throw new UsageError(`-${option} ${value}: ${why}; only 'none' is possible`);
  };
}

function setDisplay(options: RunOptions, value: string): void {
  const [name] = value.split(',');
  if (name === 'curses') options.curses = true;
  else if (name !== 'none') {
    throw new UsageError(
      `-display ${value}: there are curses (text modes, on this terminal) and none; --screenshot FILE keeps the last picture`,
    );
  }
}

function setTrace(options: RunOptions, value: string): void {
  for (const item of value.split(',')) {
    const known = TRACE_ITEMS.find((one): one is TraceItem => one === item);
    if (known) options.trace.push(known);
    else if (Object.hasOwn(OTHER_TRACE_ITEMS, item)) options.notes.push(`-d ${item}: ${OTHER_TRACE_ITEMS[item]}`);
    else {
      const near = Object.hasOwn(NEAREST_TRACE_ITEMS, item) ? NEAREST_TRACE_ITEMS[item] : suggest(item, TRACE_ITEMS);
      throw new UsageError(`-d ${item}: ${near}`);
    }
  }
}

function addDevice(options: RunOptions, value: string): void {
  const parsed = parseDevice(value, options.notes);
  if (parsed.kind === 'help') options.help = parsed.text;
  else if (parsed.kind === 'loader') options.flat = parsed.flat;
  else options.devices.push(parsed.request);
}

/** An option whose value `help` asks what there is. */
function withHelp(text: () => string, handler: Handler): Handler {
  return (options, value) => {
    if (value === 'help' || value === '?') options.help = text();
    else handler(options, value);
  };
}

function withBackendHelp(option: BackendRequest['option'], handler: Handler): Handler {
  return withHelp(() => backendHelp(option), handler);
}
