/**
 * The tests that need nothing but Node, but for those that take long: `npm run test:unit`. `npm test`
 * runs these too, and those that are left out here with the reason.
 */
import { defineConfig } from 'vitest/config';
import all from './vitest.config.ts';

export const LEFT_OUT: Record<string, string> = {
  'test/**/*.slow.test.ts': 'minutes to hours: npm run test:slow',

  'test/browser/**': 'Chromium',
  'test/firmware/**': "Debian's firmware and boot loaders",
  'test/linux/**': "Debian's kernels",
  'test/package/**': 'the built package',
  'test/roms/**': 'gcc, and guests of hundreds of millions of instructions',
  'test/cli/ends.test.ts': 'the built command',
  'test/devices/block/foreign.test.ts': 'qemu-img',
  'test/devices/block/qcow2.test.ts': 'qemu-img',
  'test/devices/block/qcow2-full.test.ts': 'qemu-img',
  'test/machine/firmware/acpi-tools.test.ts': 'iasl',
  'test/machine/firmware/loaders/decompress/tools.test.ts': 'xz, lz4 and zstd',
  'test/node/image-file.test.ts': 'qemu-img',
  'test/node/image-lock.test.ts': 'qemu-img and qemu-io',

  'test/core/vcpus.test.ts': 'the core with threads, two minutes to build',
  'test/machine/run/one-time.test.ts': 'the release core, two minutes to build',
  'test/machine/run/processors.test.ts': 'the release core',
  'test/recorded/release.test.ts': 'the release core',
  'test/tools/relocations.test.ts': 'the release core and the one with threads',

  'test/docs/**': 'whole hypervisors as guests',
  'test/exec/random-bytes.test.ts': 'six million random instructions',
  'test/isa/iced.test.ts': 'every encoding against a second decoder',
  'test/lockstep/**': 'random transitions of system state on two processors',
  'test/machine/streams.test.ts': 'random streams on machines full of devices',
  'test/ops/fp-fast.test.ts': 'random operands on two processors',
  'test/recorded/**': 'a million recorded instructions',
  'test/vmx/fuzz*.test.ts': 'random VMCSs and guests',
};

export default defineConfig({ test: { ...all.test, exclude: Object.keys(LEFT_OUT) } });
