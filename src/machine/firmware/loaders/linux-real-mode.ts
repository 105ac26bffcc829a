/**
 * A bzImage at its 16-bit entry, as boot loaders of a BIOS start it: its own setup code asks the firmware for memory and
 * screen, and goes to protected mode by itself (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" and
 * "Running the Kernel").
 */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootState } from '../boot-state.ts';
import type { MemoryLayout } from '../memory-layout.ts';
import { stringBytes } from './boot-block.ts';
import { ImageError } from './image-error.ts';
import { checkInitrd, placeInitrd } from './initrd.ts';
import { type BootRequest, MIB } from './multiboot.ts';
import { Header, type SetupHeader } from './setup-header.ts';

/** The setup code with its heap and stack has a segment; the command line lies after it. */
const SETUP = { BASE: 0x1_0000, BYTES: 0x1_0000 } as const;
const COMMAND_LINE = SETUP.BASE + SETUP.BYTES;
const ENTRY_PARAGRAPHS = 0x20;
const STACK_TOP = 0xfff0;
/** From the start of the setup code, less 0x200: the stack begins after it. */
const HEAP_END = 0xfe00 - 0x200;
const CAN_USE_HEAP = 0x80;
const LOADER_UNDEFINED = 0xff;

/** Puts setup code, kernel and what they are told in place. Throws ImageError if they do not fit. */
export function loadRealMode(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  header: SetupHeader,
  request: BootRequest,
): BootState {
  const { kernel } = header;
  const setupBytes = image.length - kernel.length;
  if (setupBytes > HEAP_END) throw new ImageError(`the setup code has ${setupBytes} bytes; ${HEAP_END} are possible`);
  layout.take('the setup code', SETUP.BASE, SETUP.BYTES);
  const setup = memory.bytes(SETUP.BASE, SETUP.BYTES);
  setup.fill(0);
  setup.set(image.subarray(0, setupBytes));
  // It moves itself to where it prefers to be.
  const end = Math.max(MIB + kernel.length, header.address + header.initSize);
  layout.take('the Linux kernel', MIB, end - MIB);
  memory.bytes(MIB, kernel.length).set(kernel);
  const commandLine = stringBytes(request.commandLine);
  layout.take('the command line', COMMAND_LINE, commandLine.length);
  memory.bytes(COMMAND_LINE, commandLine.length).set(commandLine);

  const out = new DataView(setup.buffer, setup.byteOffset, SETUP.BYTES);
  out.setUint8(Header.TYPE_OF_LOADER, LOADER_UNDEFINED);
  out.setUint8(Header.LOADFLAGS, out.getUint8(Header.LOADFLAGS) | CAN_USE_HEAP);
  out.setUint16(Header.HEAP_END_PTR, HEAP_END, true);
  out.setUint32(Header.CMD_LINE_PTR, COMMAND_LINE, true);
  const initrd = placeInitrd(memory, layout, request.modules);
  if (initrd) {
    checkInitrd(initrd, header.initrdMax);
    out.setUint32(Header.RAMDISK_IMAGE, initrd.start, true);
    out.setUint32(Header.RAMDISK_SIZE, initrd.end - initrd.start, true);
  }
  const segment = SETUP.BASE >> 4;
  return {
    mode: 16,
    entry: SETUP.BASE + 16 * ENTRY_PARAGRAPHS,
    segments: { cs: segment + ENTRY_PARAGRAPHS, data: segment },
    registers: { rsp: BigInt(STACK_TOP) },
  };
}
