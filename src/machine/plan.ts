/** What a machine will be made of, found out before anything is made: every option is checked here. */
import { type DeviceSpec, deviceNeeds } from './board/device-table.ts';
import { ExtraMemory } from './board/extra-memory.ts';
import { readFlash } from './board/flash.ts';
import type { MachineType } from './board/machine-type.ts';
import { checkMachineOptions } from './check-options.ts';
import { Boot } from './firmware/boot.ts';
import {
  checkMachineType,
  checkSerialPorts,
  checkVcpus,
  devicesOf,
  type MachineOptions,
  parseMemory,
} from './options.ts';

export interface Plan {
  readonly options: MachineOptions;
  readonly machine: MachineType;
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly serialPorts: number;
  readonly devices: readonly DeviceSpec[];
  /** Memory beside RAM, shared out. */
  readonly extra: ExtraMemory;
  readonly hasVga: boolean;
  readonly boot: Boot;
}

/** Throws RangeError or ImageError that names the option, its value and what is possible. */
export async function planMachine(options: MachineOptions): Promise<Plan> {
  checkMachineOptions(options);
  const flash = await readFlash(options.devices ?? [], options.drives);
  const memoryBytes = parseMemory(options.memory);
  const vcpus = checkVcpus(options.vcpus ?? 1);
  const extra = new ExtraMemory();
  const boot = await Boot.prepare(options, flash, extra, memoryBytes);
  const devices = devicesOf(options);
  const needs = devices.map(deviceNeeds);
  for (const { extraMemory } of needs) if (extraMemory) extra.region(extraMemory.name, extraMemory.bytes);
  return {
    options,
    machine: checkMachineType(options.machine ?? 'pc'),
    memoryBytes,
    vcpus,
    serialPorts: checkSerialPorts(options.serialPorts ?? 1),
    devices,
    extra,
    hasVga: needs.some(({ isVga }) => isVga),
    boot,
  };
}
