/**
 * The header of a Linux bzImage (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"). Fields that an
 * older protocol lacks have the values that it implies.
 */
import { hex, ImageError } from './image-error.ts';

const SECTOR = 512;
const MAGIC = 0x5372_6448;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
/** The first protocol with a command line pointer of 32 bits. */
const OLDEST = 0x202;
const HIGH_MEMORY = 0x10_0000;

/** Offsets in the image and in the zero page. */
export const Header = {
  START: 0x1f1,
  SETUP_SECTS: 0x1f1,
  JUMP: 0x200,
  MAGIC: 0x202,
  VERSION: 0x206,
  TYPE_OF_LOADER: 0x210,
  LOADFLAGS: 0x211,
  CODE32_START: 0x214,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  HEAP_END_PTR: 0x224,
  CMD_LINE_PTR: 0x228,
  INITRD_ADDR_MAX: 0x22c,
  XLOADFLAGS: 0x236,
  CMDLINE_SIZE: 0x238,
  PAYLOAD_OFFSET: 0x248,
  PAYLOAD_LENGTH: 0x24c,
  PREF_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
} as const;

export interface SetupHeader {
  version: number;
  /** What belongs into the zero page from 0x1f1 on. */
  bytes: Uint8Array;
  /** The protected-mode kernel. */
  kernel: Uint8Array;
  /** Physical address at which it is loaded. */
  address: number;
  /** Bytes from there that it uses before it knows the memory map. */
  initSize: number;
  has64BitEntry: boolean;
  /** False if the image is started in real mode only: it names no address of its protected-mode code. */
  hasProtectedEntry: boolean;
  commandLineLimit: number;
  /** The last address that the initial RAM disk may occupy. */
  initrdMax: number;
  /** Where in `kernel` the compressed kernel lies; of no length if the image does not say. */
  payload: { offset: number; length: number };
}

export function isLinux(image: Uint8Array): boolean {
  return image.length >= Header.MAGIC + 4 && viewOf(image).getUint32(Header.MAGIC, true) === MAGIC;
}

/** Reads the header. Throws ImageError if the image is cut short, lies about itself or is older than bzImages. */
export function parseSetupHeader(image: Uint8Array): SetupHeader {
  if (image.length < Header.CMD_LINE_PTR + 4) {
    throw new ImageError(`the bzImage ends within its header (${image.length} bytes)`);
  }
  const view = viewOf(image);
  const version = view.getUint16(Header.VERSION, true);
  if (version < OLDEST) {
    throw new ImageError(`the bzImage speaks boot protocol ${hex(version)}; ${hex(OLDEST)} is the oldest known`);
  }
  if ((view.getUint8(Header.LOADFLAGS) & LOADED_HIGH) === 0) {
    throw new ImageError('the kernel is a zImage, to be loaded below 1 MiB; only bzImages are known');
  }
  const since = (first: number, at: number, otherwise: number): number => {
    if (version < first) return otherwise;
    if (at + 4 > image.length) throw new ImageError(`the bzImage ends within its header (${image.length} bytes)`);
    return view.getUint32(at, true);
  };
  const start = ((view.getUint8(Header.SETUP_SECTS) || 4) + 1) * SECTOR;
  if (start >= image.length) {
    throw new ImageError(`the bzImage ends before its kernel at ${hex(start)} (${image.length} bytes)`);
  }
  const kernel = image.subarray(start);
  const preferred = since(0x20a, Header.PREF_ADDRESS, HIGH_MEMORY) + since(0x20a, Header.PREF_ADDRESS + 4, 0) * 2 ** 32;
  return {
    version,
    bytes: image.subarray(Header.START, Header.MAGIC + view.getUint8(Header.JUMP + 1)),
    kernel,
    address: preferred,
    initSize: Math.max(since(0x20a, Header.INIT_SIZE, 0), kernel.length),
    has64BitEntry: (since(0x20c, Header.XLOADFLAGS - 2, 0) & (XLF_KERNEL_64 << 16)) !== 0,
    hasProtectedEntry: view.getUint32(Header.CODE32_START, true) !== 0,
    commandLineLimit: since(0x206, Header.CMDLINE_SIZE, 255),
    initrdMax: since(0x203, Header.INITRD_ADDR_MAX, 0x37ff_ffff),
    payload: { offset: since(0x208, Header.PAYLOAD_OFFSET, 0), length: since(0x208, Header.PAYLOAD_LENGTH, 0) },
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
