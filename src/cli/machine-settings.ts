/** What the machine is to be: -m, -smp, -accel, -machine, -cpu, -rtc and -boot. */
import { suggest } from '../checks.ts';
import { MACHINE_TYPES } from '../machine/board/machine-type.ts';
import { LINUX_BOOTS } from '../machine/firmware/loaders/linux.ts';
import { MAX_VCPUS } from '../machine/options.ts';
import { checkKeys, type PropertyList, parseNumber, parseProperties } from './properties.ts';
import type { RunOptions } from './run-options.ts';
import { UsageError } from './usage-error.ts';

const TOPOLOGY = ['sockets', 'cores', 'threads', 'dies', 'clusters'];
/** QEMU's names with a version, which changes nothing here. */
const VERSIONED = /^pc-(i440fx|q35)-\d+\.\d+$/;
/** Accelerators of hosts. */
const HARDWARE = ['kvm', 'hvf', 'whpx', 'xen', 'nvmm'];
export const ACCELERATORS = `${['bare', 'tcg', ...HARDWARE].join('\n')}\n`;
export const MACHINE_HELP = `pc       a PC with PCI; pc-i440fx-VERSION too
q35      a PC with PCI Express; pc-q35-VERSION too
microvm  virtio over MMIO, without PCI
`;
/** Keys of -machine that change nothing that a guest can see here. */
const IDLE_MACHINE_KEYS = [
  'usb',
  'dump-guest-core',
  'mem-merge',
  'graphics',
  'memory-backend',
  'vmport',
  'kernel-irqchip',
];

/** `-m 256M`, `-m 256` and `-m size=256M`; what the sizes mean is the machine's to say. */
export function setMemory(options: RunOptions, value: string): void {
  const list = parseProperties('m', value);
  checkKeys('m', list, ['size', 'slots', 'maxmem']);
  if (list.values.has('slots') || list.values.has('maxmem')) {
    options.notes.push('-m slots=,maxmem=: memory cannot be added to a running machine');
  }
  options.memory = list.values.get('size') ?? (list.name || undefined);
}

/** `-smp 4`, `-smp cpus=4` or `-smp sockets=2,cores=2`; how the processors are packed is not shown to the guest. */
export function setProcessors(options: RunOptions, value: string): void {
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
  options.vcpus = cpus;
}

/** `host` is the model with everything: a host's processor is not asked. */
export function setCpu(options: RunOptions, value: string): void {
  options.cpu = value.replace(/^(host|base)(?=,|$)/, 'max');
  if (options.cpu !== value) options.notes.push(`-cpu ${value.split(',')[0]}: the model is max, whatever the host has`);
}

/** `-accel tcg`, and lists of QEMU's such as `kvm:tcg`; all of them mean that the guest owns the processor. */
export function setAccelerator(options: RunOptions, value: string): void {
  const { name, values } = parseProperties('accel', value);
  const named = values.get('accel') ?? name;
  for (const one of named.split(':')) {
    if (HARDWARE.includes(one)) {
      options.notes.push(`-accel ${one}: the processor is emulated here, VT-x included; no help of the host is needed`);
    } else if (one !== 'bare' && one !== 'tcg') {
      throw new UsageError(`-accel ${one}: ${suggest(one, ['bare', 'tcg', ...HARDWARE])}`);
    }
  }
}

export function setMachine(options: RunOptions, value: string): void {
  const list = parseProperties('machine', value);
  checkKeys('machine', list, ['type', 'accel', 'linux-boot', ...IDLE_MACHINE_KEYS, 'hpet', 'acpi', 'smm']);
  const type = list.values.get('type') ?? list.name;
  if (type !== '') {
    const version = VERSIONED.exec(type);
    const name = version ? (version[1] === 'q35' ? 'q35' : 'pc') : type;
    const machine = MACHINE_TYPES.find((one) => one === name);
    if (!machine) throw new UsageError(`-machine ${type}: ${suggest(type, MACHINE_TYPES)}`);
    options.machine = machine;
  }
  const accel = list.values.get('accel');
  if (accel !== undefined) setAccelerator(options, accel);
  noteKept(options, list);
  const boot = list.values.get('linux-boot');
  if (boot === undefined) return;
  options.linuxBoot = LINUX_BOOTS.find((one) => one === boot);
  if (!options.linuxBoot) throw new UsageError(`-machine linux-boot=${boot}: there are ${LINUX_BOOTS.join(', ')}`);
}

/** What QEMU can take out of a board, and this one has in any case or never. */
function noteKept(options: RunOptions, { values }: PropertyList): void {
  for (const [key, isThere] of [
    ['hpet', true],
    ['acpi', true],
    ['smm', false],
  ] as const) {
    const value = values.get(key);
    if (value === undefined) continue;
    if (!['on', 'off', 'auto'].includes(value)) throw new UsageError(`-machine ${key}=${value}: there are on and off`);
    if ((value === 'on') !== isThere && value !== 'auto') {
      options.notes.push(`-machine ${key}=${value}: no effect, ${key} is always ${isThere ? 'on' : 'off'}`);
    }
  }
}

/** Disks boot in the order in which they are named; `menu` and its kin have nobody to show themselves to. */
export function setBoot(options: RunOptions, value: string): void {
  const list = parseProperties('boot', value);
  checkKeys('boot', list, ['order', 'once', 'menu', 'splash', 'splash-time', 'reboot-timeout', 'strict']);
  const order = `${list.values.get('order') ?? list.name}${list.values.get('once') ?? ''}`;
  const wrong = /[^a-p]/.exec(order)?.[0];
  if (wrong) throw new UsageError(`-boot ${value}: '${wrong}' is no drive; there are a, c, d and n`);
  if (/[an]/.test(order)) {
    throw new UsageError(
      `-boot ${value}: there is neither a floppy drive (a) nor a network boot (n); c and d are possible`,
    );
  }
  if (order !== '') options.bootOrder = order;
  if (list.values.get('menu') === 'on') options.notes.push('-boot menu=on: no effect, disks boot in the order given');
}

export function setClock(options: RunOptions, value: string): void {
  const list = parseProperties('rtc', value);
  if (list.name !== '') throw new UsageError(`-rtc ${value}: '${list.name}' is not of the form key=value`);
  checkKeys('rtc', list, ['base', 'clock', 'driftfix']);
  const driftfix = list.values.get('driftfix') ?? 'none';
  if (driftfix !== 'none' && driftfix !== 'slew')
    throw new UsageError(`-rtc driftfix=${driftfix}: there are none and slew`);
  options.date = parseDate(list.values.get('base'));
  options.clock = parseClock(list.values.get('clock'));
}

function parseClock(clock: string | undefined): RunOptions['clock'] {
  if (clock === undefined || clock === 'vm' || clock === 'host') return clock;
  if (clock === 'rt') return 'host';
  throw new UsageError(`-rtc clock=${clock}: there are vm (time counts instructions) and host`);
}

function parseDate(base: string | undefined): Date | undefined {
  if (base === undefined) return undefined;
  if (base === 'utc' || base === 'localtime') return base === 'utc' ? new Date() : localTime(new Date());
  const date = new Date(/[TZ]/.test(base) ? `${base.replace(/Z$/, '')}Z` : base);
  if (Number.isNaN(date.getTime())) {
    throw new UsageError(`-rtc base=${base}: there are utc, localtime and dates such as 2026-01-31T12:00:00`);
  }
  return date;
}

/** The date whose UTC reads as local time does: what the clock chip of a PC with such a system shows. */
const localTime = (date: Date): Date => new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
