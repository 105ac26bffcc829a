/** What boots: one of kernel, flat image, firmware and disks; and which disk comes first. */
import type { DeviceRequest } from '../machine/board/device-table.ts';
import type { RunOptions } from './run-options.ts';
import { UsageError } from './usage-error.ts';

/** Puts disks in their order. Throws UsageError where the images that are named exclude each other. */
export function settleBoot(options: RunOptions): void {
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
  if (options.append !== undefined && !options.kernel) throw new UsageError('-append needs a -kernel that it is for');
  const { cdrom, bootOrder = '' } = options;
  if (!/^[^c]*d/.test(bootOrder)) return;
  if (cdrom === undefined) throw new UsageError(`-boot ${bootOrder}: d is the image of -cdrom, and there is none`);
  const isCdrom = (device: DeviceRequest): boolean => 'drive' in device && device.drive === cdrom;
  options.devices = [...options.devices.filter(isCdrom), ...options.devices.filter((device) => !isCdrom(device))];
}
