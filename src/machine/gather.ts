/** The options of a machine as its embedder gives them, brought to bytes: what is fetched, streamed or read is here. */
import { check, isFunction, isOptional } from '../checks.ts';
import {
  type ByteSource,
  isByteSource,
  isSignal,
  loadBytes,
  type Progress,
  type SignalLike,
  throwIfAborted,
} from './host/byte-source.ts';
import type { MachineOptions } from './options.ts';

export interface CreateOptions extends Omit<MachineOptions, 'kernel'> {
  /**
   * The image to boot: Multiboot 1 or 2, Linux bzImage, ELF32 or ELF64 (by PVH where it has that), or flat with `flat`.
   * Needed where there is no `bios` and no disk.
   */
  kernel?: ByteSource;
  /** The initial RAM disk: the first of `modules`. */
  initrd?: ByteSource;
  /** Rejects `create`, and ends downloads, when it is aborted. */
  signal?: SignalLike;
  /** Hears how much of `kernel` and `initrd` is there. */
  progress?: (progress: Progress) => void;
}

const WHAT = 'Machine.create';

/** Loads what is to be loaded. Throws OptionError, and what the signal says. */
export async function gather(asked: CreateOptions): Promise<MachineOptions> {
  // What is no object is refused with all other options.
  if (asked === null || typeof asked !== 'object' || Array.isArray(asked)) return asked as MachineOptions;
  const { kernel, initrd, signal, progress, ...rest } = asked;
  check(`${WHAT}: signal`, signal, isOptional(isSignal));
  check(`${WHAT}: progress`, progress, isOptional(isFunction));
  throwIfAborted(signal);
  const load = async (what: Progress['what'], source: ByteSource | undefined): Promise<Uint8Array | undefined> => {
    if (source === undefined) return undefined;
    check(`${WHAT}: ${what}`, source, isByteSource);
    return loadBytes(source, { what, signal, progress });
  };
  const [kernelBytes, initrdBytes] = await Promise.all([load('kernel', kernel), load('initrd', initrd)]);
  const options: MachineOptions = { ...rest };
  if (kernelBytes) options.kernel = kernelBytes;
  if (initrdBytes) options.modules = [{ bytes: initrdBytes, commandLine: '' }, ...(rest.modules ?? [])];
  return options;
}
