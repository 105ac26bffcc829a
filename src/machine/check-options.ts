/** What is checked of a machine's options before anything is made of them; devices check their own properties. */
import {
  type Check,
  type Checks,
  check,
  checkList,
  checkNeeded,
  checkOptions,
  checkTable,
  isBigInt,
  isBytes,
  isDate,
  isEither,
  isFlag,
  isFunction,
  isInteger,
  isNumber,
  isObject,
  isOneOf,
  isOptional,
  isPort,
  isText,
} from '../checks.ts';
import { REASON_NAMES } from '../isa/vmx/reasons.ts';
import { isBackend } from '../net/backend.ts';
import { LINUX_BOOTS } from './firmware/loaders/linux.ts';
import { SMBIOS_FIELDS } from './firmware/smbios.ts';
import { isSignal } from './host/byte-source.ts';
import type { MachineOptions } from './options.ts';

const WHAT = 'Machine.create';
const isAnything: Check = () => null;
const isPattern: Check = (value) => (value instanceof RegExp ? null : 'a RegExp');
const LAST_ADDRESS = 0xffff_ffff;
const SECTOR = 512;

const isCapacity: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) % SECTOR === 0
    ? null
    : `a multiple of ${SECTOR} bytes`;
const isDrive = isObject(['read', 'write', 'flush', 'discard', 'writeZeroes'], {
  capacity: isCapacity,
  isReadOnly: isFlag,
});
const isFolder = isObject([
  ...['stat', 'list', 'open', 'makeDirectory', 'makeLink', 'readLink', 'link', 'rename', 'remove', 'change', 'space'],
]);
const isModule: Check = (value) =>
  value instanceof ArrayBuffer || ArrayBuffer.isView(value) || /\.Module\]$/.test(Object.prototype.toString.call(value))
    ? null
    : 'the bytes of a module, or a compiled one';

/** Those whose insides are looked at below are only named here. */
const OPTIONS: Record<keyof MachineOptions, Check> = {
  drives: isAnything,
  netdevs: isAnything,
  chardevs: isAnything,
  folders: isAnything,
  fwCfg: isAnything,
  smbios: isAnything,
  flat: isAnything,
  modules: isAnything,
  devices: isAnything,
  bios: isBytes,
  seed: isInteger(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  machine: isText,
  memory: isEither(isNumber, isText),
  cpu: isText,
  vcpus: isNumber,
  kernel: isBytes,
  kernelName: isText,
  append: isText,
  linuxBoot: isOneOf(...LINUX_BOOTS),
  vga: isText,
  serialPorts: isNumber,
  reboot: isFlag,
  waitForInput: isFlag,
  clock: isOneOf('vm', 'host'),
  date: isDate,
  tracer: isObject([], { instruction: isOptional(isFunction), event: isOptional(isFunction) }),
  recordExits: isFlag,
  source: isModule,
  createCore: isFunction,
};
const FLAT: Checks = {
  address: isInteger(0, LAST_ADDRESS),
  mode: isOneOf(16, 32, 64),
  entry: isInteger(0, LAST_ADDRESS),
};
const MODULE: Checks = { bytes: isBytes, commandLine: isText };
const CUSTOM: Checks = {
  type: isText,
  name: isText,
  iobase: isPort,
  iosize: isInteger(1, 65536),
  device: isObject(['read', 'write'], { maxWidth: isOneOf(1, 2, 4, 8) }),
};

const LIMITS: Checks = { instructions: isNumber, exit: isObject([]), signal: isSignal };
const WAIT: Checks = { signal: isSignal, timeoutMs: isInteger(0, 2 ** 31 - 1) };
const EXIT: Checks = {
  reason: isOneOf(...REASON_NAMES, 'VMLAUNCH_VMRESUME'),
  rip: isBigInt,
  failure: isFlag,
  nth: isNumber,
};

/** What a run may be limited by. */
export function checkLimits(limits: object): void {
  checkOptions('Machine.run', limits, LIMITS);
  const { exit } = limits as { exit?: object };
  if (exit !== undefined) checkOptions('Machine.run: exit', exit, EXIT);
}

/** How many instructions to step by. */
export const checkCount = (count: unknown): void =>
  check('Machine.step: count', count, isInteger(0, Number.MAX_SAFE_INTEGER));

/** What to wait for on the console. */
export function checkWait(pattern: unknown, options: object): void {
  check('Machine.waitFor', pattern, isEither(isText, isPattern));
  checkOptions('Machine.waitFor', options, WAIT);
}

/** Where in memory, and how much. */
export function checkMemory(what: string, address: unknown, length: unknown): void {
  check(`Machine.${what}: address`, address, isInteger(0, Number.MAX_SAFE_INTEGER));
  check(`Machine.${what}: length`, length, isInteger(0, Number.MAX_SAFE_INTEGER));
}

/** What can be typed. */
export const checkInput = (input: unknown): void => check('Machine.send', input, isEither(isText, isBytes));

/** Throws RangeError that names the option, its value and what is possible. */
export function checkMachineOptions(options: MachineOptions): void {
  checkOptions(WHAT, options, OPTIONS);
  const { drives, netdevs, chardevs, folders, fwCfg, smbios, flat, modules, devices } = options;
  if (drives !== undefined) checkTable(`${WHAT}: drives`, drives, isDrive);
  if (netdevs !== undefined) checkTable(`${WHAT}: netdevs`, netdevs, isBackend);
  if (chardevs !== undefined) checkTable(`${WHAT}: chardevs`, chardevs, isObject(['write', 'connect']));
  if (folders !== undefined) checkTable(`${WHAT}: folders`, folders, isFolder);
  if (fwCfg !== undefined) checkTable(`${WHAT}: fwCfg`, fwCfg, isEither(isBytes, isText));
  if (smbios !== undefined) checkSmbios(smbios);
  if (flat !== undefined) checkWhole(`${WHAT}: flat`, flat, FLAT, ['address', 'mode']);
  if (modules !== undefined) {
    checkList(`${WHAT}: modules`, modules, (what, module) =>
      checkWhole(what, module, MODULE, ['bytes', 'commandLine']),
    );
  }
  if (devices !== undefined) checkDevices(devices);
}

function checkWhole(what: string, value: unknown, rules: Checks, needed: readonly string[]): void {
  checkOptions(what, value, rules);
  checkNeeded(what, value as object, needed);
}

function checkSmbios(smbios: unknown): void {
  const types = Object.fromEntries(Object.keys(SMBIOS_FIELDS).map((type) => [type, isAnything]));
  checkOptions(`${WHAT}: smbios`, smbios, types);
  for (const [type, fields] of Object.entries(SMBIOS_FIELDS)) {
    const texts = (smbios as Record<string, unknown>)[type];
    const rules = Object.fromEntries(fields.map((field) => [field, isText]));
    if (texts !== undefined) checkOptions(`${WHAT}: smbios[${type}]`, texts, rules);
  }
}

function checkDevices(devices: unknown): void {
  const ids = new Set<string>();
  checkList(`${WHAT}: devices`, devices, (what, spec) => {
    check(what, spec, isObject([], { type: isText, id: isOptional(isText) }));
    const { type, id } = spec as { type: string; id?: string };
    if (type === 'custom') checkWhole(what, spec, CUSTOM, Object.keys(CUSTOM));
    if (id === undefined) return;
    if (ids.has(id)) throw new RangeError(`${what}: another device has the id '${id}'`);
    ids.add(id);
  });
}
