/**
 * Builds the tiny guests of roms/, and the firmware, from their sources with gcc and binutils. After a change of the
 * firmware `npm run gen` puts it into the library.
 *
 *   node tools/build-roms.ts [OUTPUT-FOLDER]      default: roms
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

type Bits = 32 | 64;

interface Rom {
  /** File name of the image. */
  name: string;
  bits: Bits;
  sources: readonly string[];
}

/** Images that are no ELF files, but bytes at an address. */
interface FlatRom {
  name: string;
  bits: Bits;
  sources: readonly string[];
  /** What the linker is told of the address. */
  place: readonly string[];
}

const FIRMWARE_PARTS = ['header', 'boot', 'disk', 'time', 'pci', 'system', 'keyboard', 'line', 'video', 'modes'];

const BOOT_SECTOR = ['-Wl,-Ttext=0x7c00'];
const COMMON = ['common/guest.c'];
const HYPERVISOR = ['vmx/enter.S', 'vmx/vmx.c', ...COMMON];

export const FLAT_ROMS: readonly FlatRom[] = [
  {
    name: 'firmware.bin',
    bits: 32,
    sources: FIRMWARE_PARTS.map((part) => `firmware/${part}.S`),
    place: ['-T', 'firmware/link.ld'],
  },
  { name: 'services.img', bits: 32, sources: ['services/disk.S'], place: BOOT_SECTOR },
  {
    name: 'chain.img',
    bits: 64,
    sources: [...['boot.S', 'resident.S', 'prepare.S', 'chain.c'].map((part) => `chain/${part}`), ...HYPERVISOR],
    place: ['-T', 'chain/link.ld'],
  },
  { name: 'chain-guest.img', bits: 32, sources: ['chain/guest.S'], place: BOOT_SECTOR },
];

/** Instruction sets that single sources may use; all others keep to the general registers. */
const EXTENSIONS: Record<string, readonly string[]> = {
  'bench/mandel87.c': ['-mno-sse', '-mfpmath=387'],
  'bench/nbody.c': ['-msse2', '-mfpmath=sse'],
  'bench/chacha.c': ['-msse2'],
  'bench/avx2.c': ['-mavx2', '-mfma'],
  'bench/shani.c': ['-msse4.1', '-msha'],
};

const BENCH = ['main', 'kernels', 'core', 'sha256', 'events', 'system', 'float'].map((name) => `bench/${name}.c`);
const FLOAT = ['bench/mandel87.c', 'bench/nbody.c', 'bench/chacha.c'];
const FLOAT_64 = ['bench/avx2.c', 'bench/shani.c'];

const VMX = ['common/start64.S', ...HYPERVISOR];

export const ROMS: readonly Rom[] = [
  { name: 'hello.elf', bits: 64, sources: ['common/start64.S', 'hello/hello.c', ...COMMON] },
  { name: 'vmx-hello.elf', bits: 64, sources: [...VMX, 'vmx/hello.c'] },
  { name: 'vmx-ept.elf', bits: 64, sources: [...VMX, 'vmx/program.c', 'vmx/ept.c'] },
  { name: 'vmx-shadow.elf', bits: 64, sources: [...VMX, 'vmx/program.c', 'vmx/shadow.c'] },
  { name: 'vmx-bugs.elf', bits: 64, sources: [...VMX, 'vmx/bugs.c'] },
  { name: 'vmx-bench.elf', bits: 64, sources: [...VMX, 'vmx/bench.c'] },
  { name: 'bench32.elf', bits: 32, sources: ['common/start32.S', 'bench/stubs.S', ...BENCH, ...FLOAT, ...COMMON] },
  {
    name: 'bench64.elf',
    bits: 64,
    sources: ['common/start64.S', 'bench/stubs.S', ...BENCH, ...FLOAT, ...FLOAT_64, ...COMMON],
  },
];

/** The compiler and the linker that the committed images were made with, one a line. */
export const TOOLS_FILE = 'built-with.txt';

const ROMS_FOLDER = fileURLToPath(new URL('../roms/', import.meta.url));
const FLAGS = [
  '-O2',
  '-std=gnu11',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-ffreestanding',
  '-nostdlib',
  '-static',
  '-fno-pic',
  '-no-pie',
  '-mno-red-zone',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fcf-protection=none',
  '-fno-tree-vectorize',
  '-fno-tree-loop-distribute-patterns',
];
const LINK_FLAGS = [
  '-Wl,--build-id=none',
  '-Wl,-z,noexecstack',
  '-Wl,-z,max-page-size=4096',
  '-Wl,--no-warn-rwx-segments',
];

const firstLine = (command: string) => execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n')[0];

/** Names and versions of the tools on this machine; undefined where gcc or binutils are missing. */
export function toolVersions(): string | undefined {
  try {
    return `${firstLine('gcc')}\n${firstLine('ld')}\n`;
  } catch {
    return undefined;
  }
}

/** Compiles the sources in `scratch`, and links them; returns the linked file. */
function link(bits: Bits, sources: readonly string[], place: readonly string[], scratch: string): string {
  const elf = join(scratch, 'image.elf');
  const machine = bits === 64 ? ['-m64'] : ['-m32', '-march=i686'];
  const gcc = (...args: string[]) => execFileSync('gcc', [...FLAGS, ...machine, ...args], { cwd: ROMS_FOLDER });
  const objects = sources.map((source, k) => {
    const object = join(scratch, `${k}.o`);
    gcc(...(EXTENSIONS[source] ?? ['-mgeneral-regs-only']), '-c', '-o', object, source);
    return object;
  });
  gcc(...LINK_FLAGS, ...place, '-o', elf, ...objects);
  return elf;
}

function build(name: string, make: (scratch: string) => void): void {
  const scratch = mkdtempSync(join(tmpdir(), `${name}-`));
  try {
    make(scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Builds one image. A 64-bit one is wrapped as ELF32, which is what Multiboot loaders take. */
export function buildRom({ name, bits, sources }: Rom, output: string): void {
  build(name, (scratch) => {
    const elf = link(bits, sources, ['-T', 'common/link.ld'], scratch);
    execFileSync('objcopy', ['--strip-all', '-O', 'elf32-i386', elf, output]);
  });
}

/** Builds one of the images that are bytes at an address. */
export function buildFlatRom({ name, bits, sources, place }: FlatRom, output: string): void {
  build(name, (scratch) => {
    const elf = link(bits, sources, place, scratch);
    const parts = ['.boot', '.text', '.rom'].flatMap((part) => ['-j', part]);
    execFileSync('objcopy', ['-O', 'binary', ...parts, elf, output]);
    chmodSync(output, 0o644);
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const versions = toolVersions();
  if (!versions) {
    console.error('gcc and binutils are needed to build the roms; neither is needed to use them');
    process.exit(1);
  }
  const folder = process.argv[2] ?? ROMS_FOLDER;
  for (const rom of ROMS) buildRom(rom, join(folder, rom.name));
  for (const rom of FLAT_ROMS) buildFlatRom(rom, join(folder, rom.name));
  writeFileSync(join(folder, TOOLS_FILE), versions);
}
