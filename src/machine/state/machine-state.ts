/**
 * A whole machine as one plain object: what is left of it when it is put down between two instructions. Files, compression
 * and versions are for others; a state fits a machine of the same options and the same build.
 */
import { lowRam } from '../../core/memory.ts';
import type { Core, CoreState } from '../../core/types.ts';
import type { Plain, Saved } from '../../saved.ts';

const FOUR_GIB = 0x1_0000_0000;

export interface MachineParts {
  cores: readonly Core[];
  board: Saved;
  loop: Saved;
}

export type MachineState = {
  cores: CoreState[];
  /** RAM by its two ranges, and memory beside RAM. */
  ram: Uint8Array[];
  extra: Uint8Array;
  board: Plain;
  loop: Plain;
};

/** Throws Error where a processor cannot be saved, or a device cannot now. */
export function saveMachine({ cores, board, loop }: MachineParts): MachineState {
  return {
    board: board.save(),
    loop: loop.save(),
    cores: cores.map((core) => savable(core).save()),
    ram: ramOf(cores[0]).map((bytes) => bytes.slice()),
    extra: cores[0].memoryMap?.extra.slice() ?? new Uint8Array(0),
  };
}

/** Memory comes first, for devices may look at it; processors come after the devices that hold their pins; timers last. */
export function loadMachine({ cores, board, loop }: MachineParts, state: MachineState): void {
  if (state.cores.length !== cores.length) {
    throw new Error(`the state is of ${state.cores.length} processors; the machine has ${cores.length}`);
  }
  for (const [n, bytes] of ramOf(cores[0]).entries()) {
    if (bytes.length !== state.ram[n]?.length) throw new Error('the state is of a machine with other RAM');
    bytes.set(state.ram[n]);
  }
  cores[0].memoryMap?.extra.set(state.extra);
  board.load(state.board);
  for (const [n, core] of cores.entries()) savable(core).load(state.cores[n]);
  loop.load(state.loop);
}

function savable(core: Core): Saved<CoreState> {
  if (!core.saved) throw new Error('the processor cannot be saved');
  return core.saved;
}

function ramOf({ memory }: Core): Uint8Array[] {
  const low = lowRam(memory.size);
  const high = memory.size - low;
  return [memory.bytes(0, low), ...(high > 0 ? [memory.bytes(FOUR_GIB, high)] : [])];
}
