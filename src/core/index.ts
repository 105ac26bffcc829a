/**
 * The processor as the rest of TypeScript sees it. This is the only room that knows that it is WebAssembly: it
 * instantiates the module over one memory, whose upper part is the frame pool that holds the guest's RAM.
 */

import { CPUID_PAGE_BYTES, type CpuModel, encodeModel, resolveModel } from '../cpu-models/index.ts';
import { ApicReg, Attention } from './enums.gen.ts';
import { LAYOUT } from './layout.gen.ts';
import { MemorySlots, Ram } from './memory.ts';
import { moduleFor } from './source.ts';
import { StateBlock } from './state.ts';
import { StateTrace } from './trace.ts';
import {
  type Backing,
  type Bus,
  type ChipsetPins,
  type Core,
  type CoreSource,
  type CoreState,
  type EventTrace,
  type FpuState,
  type GuestMemory,
  type MemoryMap,
  NEVER,
  type RegisterName,
  type Segment,
  type SegmentName,
  type ShadowRange,
  type Stop,
  type Width,
} from './types.ts';
import { StateVmxView } from './vmx.ts';

export interface CoreOptions {
  /** Guest RAM in bytes: a multiple of 4096, at least 64 KiB. */
  memoryBytes: number;
  /** Memory beside RAM that `mapExtra` shows to the guest, in whole pages; none where absent. */
  extraBytes?: number;
  bus: Bus;
  /** The processor model, as `-cpu` says it or resolved; by default `max`. */
  cpu?: string | CpuModel;
  /** The processor module, as bytes or compiled; by default the one that lies beside this file. */
  source?: CoreSource;
  /** vCPUs that the memory has room for (1 to 8, default 1), and which of them this one is (default 0). */
  vcpus?: number;
  id?: number;
  /**
   * The memory that another vCPU of the same machine was created with (`core.backing`). With more than one vCPU
   * `source` must be the bytes of a release build: a compiled module cannot be moved to another window.
   */
  backing?: Backing;
  /** What RDRAND and RDSEED begin with, 64 bits; without it the same for every processor of this number. */
  entropy?: bigint;
  /** Make the memory shared, for vCPUs in several Workers; needs the core-threads module. */
  shared?: boolean;
}

interface Exports {
  init(): void;
  reset(): void;
  run(budget: number): number;
  now(): bigint;
  retired(): bigint;
  rflags(): bigint;
  setRflags(value: bigint): void;
  updateMode(): void;
  flushAll(): void;
  updateDebug(): void;
  setSlot(n: number, start: bigint, end: bigint, host: number, flags: number): void;
  codeWritten(host: number, size: number): number;
  attend(bits: number): void;
  delay(ns: number): void;
  setIoapicPin(pin: number, level: number): void;
  deliverMsi(address: number, data: number): void;
  readMsr(index: number, time: bigint): number;
  readonly msrValue: WebAssembly.Global;
  writeMsr(index: number, value: bigint, time: bigint): number;
  forgetCaches(): void;
}

const WASM_PAGE = 0x10000;
const FRAME = 0x1000;
/** Room behind the pool: the decoder reads up to 16 bytes beyond an instruction. */
const SLACK = WASM_PAGE;
/** The part of a window that is a vCPU's state. */
const STATE_BYTES = 0x10000;
/** The page of the mailboxes, and what the I/O APIC has of the next. */
const SHARED_BYTES = LAYOUT.IOAPIC - LAYOUT.MAILBOXES + 0x100;
const MAX_VCPUS = 8;
const WINDOW_END = LAYOUT.WINDOW + LAYOUT.WINDOW_SIZE;
const FOUR_GIB = 0x1_0000_0000;
const A20 = 1n << 20n;
const ENTROPY = 0x9e37_79b9_7f4a_7c15n;

/** Creates a processor with its memory, in reset state. Throws RangeError for a memory size that cannot be had. */
export async function createCore(options: CoreOptions): Promise<WasmCore> {
  const { memoryBytes, extraBytes = 0, bus, vcpus = 1, id = 0 } = options;
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS) {
    throw new RangeError(`${vcpus} vCPUs: must be from 1 to ${MAX_VCPUS}`);
  }
  if (!Number.isInteger(id) || id < 0 || id >= vcpus)
    throw new RangeError(`vCPU ${id}: must be from 0 to ${vcpus - 1}`);
  const pool = WINDOW_END + (vcpus - 1) * LAYOUT.WINDOW_SIZE;
  if (!Number.isInteger(extraBytes / FRAME) || extraBytes < 0 || extraBytes > FOUR_GIB - pool) {
    throw new RangeError(`${extraBytes} bytes beside RAM: must be a multiple of ${FRAME}`);
  }
  const maxRam = FOUR_GIB - pool - SLACK - extraBytes;
  if (!Number.isInteger(memoryBytes / FRAME) || memoryBytes < WASM_PAGE || memoryBytes > maxRam) {
    throw new RangeError(
      `memory of ${memoryBytes} bytes: must be a multiple of ${FRAME} from ${WASM_PAGE} to ${maxRam}`,
    );
  }
  const { cpu = 'max' } = options;
  const model = typeof cpu === 'string' ? resolveModel(cpu) : cpu;
  const pages = Math.ceil((pool + memoryBytes + extraBytes + SLACK) / WASM_PAGE);
  const memory =
    (options.backing as WebAssembly.Memory | undefined) ??
    new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: options.shared ?? false });
  const env = {
    memory,
    portIn: (port: number, width: number) => bus.portIn(port, width as Width),
    portOut: (port: number, width: number, value: number) => bus.portOut(port, width as Width, value >>> 0),
    mmioRead: (pa: number, width: number) => bus.mmioRead(pa, width as Width),
    mmioWrite: (pa: number, width: number, value: number) => bus.mmioWrite(pa, width as Width, value >>> 0),
    interruptAcknowledge: () => bus.interruptAcknowledge(),
    ferr: (asserted: number) => bus.ferr?.(asserted !== 0),
  };
  const instance = await WebAssembly.instantiate(await moduleFor(options.source, id), { env });
  const ram = new Ram(memory, pool, memoryBytes);
  const core = new WasmCore(instance.exports as unknown as Exports, memory, ram, extraBytes, id, model);
  core.state.setField('random', BigInt.asUintN(64, options.entropy ?? ENTROPY + BigInt(id)));
  return core;
}

/** One virtual processor in WebAssembly. Made by createCore. */
export class WasmCore implements Core, ChipsetPins, MemoryMap {
  readonly #wasm: Exports;
  readonly #state: StateBlock;
  readonly #ram: Ram;
  readonly #extraBytes: number;
  readonly #slots: MemorySlots;

  readonly chipset: ChipsetPins = this;
  readonly memoryMap: MemoryMap = this;
  readonly trace: EventTrace;
  readonly vmx: StateVmxView;
  /** What other vCPUs of the same machine are created with. */
  readonly backing: WebAssembly.Memory;

  constructor(wasm: Exports, memory: WebAssembly.Memory, ram: Ram, extraBytes: number, id: number, model: CpuModel) {
    this.#wasm = wasm;
    this.#ram = ram;
    this.#extraBytes = extraBytes;
    this.backing = memory;
    this.#state = new StateBlock(() => memory.buffer, LAYOUT.WINDOW + id * LAYOUT.WINDOW_SIZE);
    this.trace = new StateTrace(this.#state);
    this.vmx = new StateVmxView(this.#state, model);
    this.#state.setNumber('id', id);
    this.#state.bytes(LAYOUT.CPUID, CPUID_PAGE_BYTES).set(encodeModel(model));
    wasm.init();
    this.#slots = new MemorySlots(wasm, ram, extraBytes);
    this.reset();
  }

  get memory(): GuestMemory {
    return this.#ram;
  }

  get extra(): Uint8Array {
    return new Uint8Array(this.backing.buffer, this.#ram.pool + this.#ram.size, this.#extraBytes);
  }

  mapExtra(slot: number, pa: number, offset: number, length: number, access: 'ram' | 'rom'): void {
    this.#slots.mapExtra(slot, pa, offset, length, access);
    this.#wasm.flushAll();
  }

  openVgaWindow(): void {
    this.#slots.openVgaWindow();
    this.#wasm.flushAll();
  }

  shadow(ranges: readonly ShadowRange[] | null): void {
    this.#slots.shadow(ranges);
    this.#wasm.flushAll();
  }

  /** Raw state by name of field, for the layers that know what they do. */
  get state(): StateBlock {
    return this.#state;
  }

  run(budget: number): Stop {
    if (!Number.isInteger(budget) || budget < 1 || budget > 0x4000_0000) {
      throw new RangeError(`budget of ${budget} instructions: must be an integer from 1 to ${0x4000_0000}`);
    }
    return this.#wasm.run(budget) as Stop;
  }

  requestStop(): void {
    this.#wasm.attend(Attention.STOP);
  }

  spend(ns: number): void {
    if (ns > 0) this.#wasm.delay(ns);
  }

  get retired(): number {
    return Number(BigInt.asUintN(64, this.#wasm.retired()));
  }

  get now(): bigint {
    return BigInt.asUintN(64, this.#wasm.now());
  }

  advance(ns: number): void {
    if (!(ns >= 0) || !Number.isFinite(ns))
      throw new RangeError(`advance by ${ns} ns: must be finite and not negative`);
    this.#state.setField('skew', this.#state.field('skew') + BigInt(Math.ceil(ns)));
    if (this.now >= this.nextDeadline) this.#wasm.attend(Attention.INTERRUPT);
  }

  get nextDeadline(): bigint {
    let next = NEVER;
    for (const field of ['apicDeadline', 'vmxDeadline'] as const) {
      const deadline = this.#state.field(field);
      if (deadline !== 0n && deadline < next) next = deadline;
    }
    return next;
  }

  setIntr(level: boolean): void {
    this.#state.setNumber('intrPin', level ? 1 : 0);
    if (level) this.#wasm.attend(Attention.INTERRUPT);
  }

  setIoapicPin(pin: number, level: boolean): void {
    this.#wasm.setIoapicPin(pin, level ? 1 : 0);
  }

  deliverMsi(address: number, data: number): void {
    this.#wasm.deliverMsi(address, data);
  }

  setA20(isOpen: boolean): void {
    this.#state.setField('a20Mask', BigInt.asUintN(64, isOpen ? -1n : ~A20));
    this.#wasm.flushAll();
  }

  setIgnne(asserted: boolean): void {
    this.#state.setNumber('ignne', asserted ? 1 : 0);
  }

  nmi(): void {
    this.#state.setNumber('nmiPending', 1);
    this.#wasm.attend(Attention.INTERRUPT);
  }

  reset(): void {
    this.#wasm.reset();
  }

  /** Tells the processor that the embedder wrote to memory which may hold decoded code. */
  invalidateCode(pa: number, length: number): void {
    for (let at = pa; at < pa + length; ) {
      const size = Math.min(pa + length - at, FRAME - (at % FRAME));
      this.#wasm.codeWritten(this.#ram.hostOf(at, size), size);
      at += size;
    }
  }

  get(register: RegisterName): bigint {
    if (register === 'rflags') return BigInt.asUintN(64, this.#wasm.rflags());
    if (register === 'cr8') return BigInt(this.#state.bytes(LAYOUT.APIC + ApicReg.TPR, 1)[0] >> 4);
    return this.#state.get(register) ?? 0n;
  }

  set(register: RegisterName, value: bigint): void {
    if (register === 'rflags') {
      this.#wasm.setRflags(value);
      this.#wasm.updateMode();
    } else if (register === 'cr8') this.#state.bytes(LAYOUT.APIC + ApicReg.TPR, 1)[0] = Number(value & 15n) << 4;
    else this.#state.set(register, value);
    if (register === 'dr7') this.#wasm.updateDebug();
    if (['cr0', 'cr3', 'cr4', 'efer', 'xcr0', 'dr7'].includes(register)) {
      this.#wasm.flushAll();
      this.#wasm.updateMode();
    }
  }

  getSegment(name: SegmentName): Segment {
    return this.#state.getSegment(name);
  }

  /** CPL follows the DPL of SS, as at VM entry. */
  setSegment(name: SegmentName, value: Segment): void {
    this.#state.setSegment(name, value);
    if (name === 'ss') this.#state.setNumber('cpl', (value.rights >> 5) & 3);
    this.#wasm.updateMode();
  }

  /** Throws RangeError where RDMSR would be #GP(0). */
  readMsr(index: number): bigint {
    if (!this.#wasm.readMsr(index, this.#wasm.now())) {
      throw new RangeError(`MSR 0x${index.toString(16)}: this processor model has none`);
    }
    return BigInt.asUintN(64, this.#wasm.msrValue.value as bigint);
  }

  /** Throws RangeError where WRMSR would be #GP(0). */
  writeMsr(index: number, value: bigint): void {
    if (!this.#wasm.writeMsr(index, value, this.#wasm.now())) {
      throw new RangeError(`MSR 0x${index.toString(16)} does not take 0x${value.toString(16)}`);
    }
  }

  /** The vCPU's state as bytes: everything architectural, nothing that can be found again. RAM is not in it. */
  saveState(): Uint8Array {
    return this.#state.bytes(LAYOUT.STATE, STATE_BYTES).slice();
  }

  /** Puts back what saveState gave, into a vCPU of the same number and RAM size. Throws RangeError for other sizes. */
  loadState(saved: Uint8Array): void {
    if (saved.length !== STATE_BYTES) throw new RangeError(`state of ${saved.length} bytes: must be ${STATE_BYTES}`);
    this.#state.bytes(LAYOUT.STATE, STATE_BYTES).set(saved);
    this.forgetCaches();
  }

  /** What `Core` calls so: the state by `save` and `load`. */
  get saved(): this {
    return this;
  }

  save(): CoreState {
    const shared = this.#state.number('id') === 0 ? this.#shared.slice() : null;
    return { block: this.saveState(), shared };
  }

  load({ block, shared }: CoreState): void {
    if (shared) this.#shared.set(shared);
    this.loadState(block);
  }

  /** Mailboxes and I/O APIC, which the vCPUs of a machine share. */
  get #shared(): Uint8Array {
    return new Uint8Array(this.backing.buffer, LAYOUT.MAILBOXES, SHARED_BYTES);
  }

  /** Drops what can be found again: translations and decoded code. What the guest sees does not change. */
  forgetCaches(): void {
    this.#wasm.forgetCaches();
  }

  /** Floating-point and vector registers, in the layout of FpuState. */
  getFpu(into: FpuState): void {
    const state = this.#state;
    into.mxcsr = state.number('mxcsr');
    into.fcw = state.number('fcw');
    into.fsw = state.number('fsw');
    into.ftw = state.number('ftw');
    into.ymm.set(state.bytes(LAYOUT.YMM, 512));
    const top = (into.fsw >> 11) & 7;
    for (let n = 0; n < 8; n++) into.st.set(state.bytes(LAYOUT.FPR + 16 * ((top + n) & 7), 10), 10 * n);
  }

  /** Sets them; the x87's pointers, which FpuState has not, become zero. */
  setFpu(from: FpuState): void {
    const state = this.#state;
    state.setNumber('mxcsr', from.mxcsr);
    state.setNumber('fcw', from.fcw);
    state.setNumber('fsw', from.fsw);
    state.setNumber('ftw', from.ftw);
    state.bytes(LAYOUT.YMM, 512).set(from.ymm);
    for (const name of ['initialized', 'fop', 'fipSelector', 'fdpSelector', 'exceptionFop'] as const)
      state.setNumber(name, 0);
    for (const name of ['fip', 'fdp', 'exceptionFdp'] as const) state.setField(name, 0n);
    const top = (from.fsw >> 11) & 7;
    for (let n = 0; n < 8; n++) {
      state.bytes(LAYOUT.FPR + 16 * ((top + n) & 7), 10).set(from.st.subarray(10 * n, 10 * n + 10));
    }
  }
}
