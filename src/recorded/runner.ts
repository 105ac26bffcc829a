/**
 * Runs vector cases on one processor, one after another. Memory and floating-point state are put back as each case
 * wants them; the tables of the sandbox are rebuilt only when a file begins or when a case has gone astray.
 */
import { type Bus, GPRS, Stop } from '../core/types.ts';
import { compareCase, type Outcome } from './compare.ts';
import { DONE_PORT, FRAME, PAGE_SIZE } from './layout.ts';
import type { VectorCase, VectorFile } from './reader.ts';
import { buildSandbox, enterUserMode, readTrap, type Trap } from './sandbox.ts';
import { createState } from './state.ts';
import type { VectorCore } from './vector-core.ts';

const INT3 = 3;
const INT3_OPCODE = 0xcc;
const PAGE_FAULT = 14;
/** Bit of its error code: an instruction fetch. A case may end with a jump to where nothing is mapped. */
const FETCH = 0x10;
/** Instructions (and string iterations) after which a case counts as hung. */
const BUDGET = 100_000;
/** What RFLAGS is recorded without: TF and RF. */
const UNRECORDED_FLAGS = 0x100n | 0x10000n;

/** The bus of the sandbox: a handler's OUT stops the processor, everything else reads as ones. */
export class SandboxBus implements Bus {
  onDone: () => void = () => {};

  portIn(): number {
    return 0xff;
  }

  portOut(port: number): void {
    if (port === DONE_PORT) this.onDone();
  }

  mmioRead(): number {
    return 0xff;
  }

  mmioWrite(): void {}

  interruptAcknowledge(): number {
    return 0xff;
  }
}

export class VectorRunner {
  readonly #core: VectorCore;
  readonly #state = createState();
  #file: VectorFile | undefined;
  #codeEnd = PAGE_SIZE;
  #codeStart = 0;

  /** `core` must have been made with `bus` and SANDBOX_RAM bytes of memory. */
  constructor(core: VectorCore, bus: SandboxBus) {
    this.#core = core;
    bus.onDone = () => core.requestStop();
  }

  /** Whether the processor has floating-point and vector registers to compare. */
  get hasFpu(): boolean {
    return this.#core.getFpu !== undefined && this.#core.setFpu !== undefined;
  }

  /** Runs one case and returns what differs, in sentences; `strict` compares what the manuals leave undefined too. */
  run(file: VectorFile, c: VectorCase, strict = false): string[] {
    if (this.#file !== file) this.#build(file);
    this.#prepare(file, c);
    const complaint = this.#runToTrap();
    const trap = complaint === undefined ? readTrap(this.#core) : undefined;
    if (!trap) {
      this.#file = undefined;
      return [complaint ?? `the processor stopped at rip 0x${this.#core.get('rip').toString(16)}, in no handler`];
    }
    const problems = compareCase(c, this.#outcome(file, c, trap), file.mode, strict);
    this.#checkOtherPage(file, c, problems);
    return problems;
  }

  #build(file: VectorFile): void {
    buildSandbox(this.#core, file);
    this.#codeStart = 0;
    this.#codeEnd = PAGE_SIZE;
    this.#file = file;
  }

  #prepare(file: VectorFile, c: VectorCase): void {
    const core = this.#core;
    const code = core.memory.bytes(FRAME.CODE, PAGE_SIZE);
    code.fill(INT3_OPCODE, this.#codeStart, this.#codeEnd);
    this.#codeStart = c.codeOffset;
    this.#codeEnd = Math.min(c.codeOffset + c.code.length, PAGE_SIZE);
    code.set(c.code.subarray(0, this.#codeEnd - c.codeOffset), c.codeOffset);
    core.invalidateCode(FRAME.CODE, PAGE_SIZE);
    core.memory.bytes(dataFrame(file, c), PAGE_SIZE).set(c.initial.page);
    enterUserMode(core, file.mode);
    for (let k = 0; k < 16; k++) core.set(GPRS[k], c.initial.gpr[k]);
    core.set('rip', BigInt(file.codePage + c.codeOffset));
    core.set('rflags', BigInt(c.initial.rflags));
    core.setFpu?.(c.initial);
  }

  #runToTrap(): string | undefined {
    const stop = this.#core.run(BUDGET);
    if (stop === Stop.REQUESTED) return undefined;
    if (stop === Stop.SHUTDOWN) return 'the processor shut down (triple fault)';
    if (stop === Stop.BUDGET) return `no end after ${BUDGET} instructions, rip 0x${this.#core.get('rip').toString(16)}`;
    return `the processor stopped for reason ${stop}`;
  }

  #outcome(file: VectorFile, c: VectorCase, trap: Trap): Outcome {
    const core = this.#core;
    const state = this.#state;
    for (let k = 0; k < 16; k++) state.gpr[k] = core.get(GPRS[k]);
    state.gpr[4] = trap.rsp;
    state.rflags = Number(trap.rflags & ~UNRECORDED_FLAGS);
    state.page.set(core.memory.bytes(dataFrame(file, c), PAGE_SIZE));
    core.getFpu?.(state);
    const rip = Number(BigInt.asIntN(32, trap.rip - BigInt(file.codePage + c.codeOffset)));
    const { hasFpu } = this;
    if (trap.vector === INT3 && c.fault?.vector !== INT3) return { rip: rip - 1, state, hasFpu };
    const cr2 = trap.vector === PAGE_FAULT ? core.get('cr2') : undefined;
    if (!c.fault && cr2 === trap.rip && trap.errorCode & FETCH) return { rip, state, hasFpu };
    return { fault: { vector: trap.vector, errorCode: trap.errorCode, cr2 }, rip, state, hasFpu };
  }

  #checkOtherPage(file: VectorFile, c: VectorCase, problems: string[]): void {
    const other = this.#core.memory.bytes(dataFrame(file, c) === FRAME.LOW ? FRAME.MEM : FRAME.LOW, PAGE_SIZE);
    const dirty = other.findIndex((byte) => byte !== 0);
    if (dirty >= 0) problems.push(`the other data page was written, at +0x${dirty.toString(16)}`);
    other.fill(0);
    this.#core.memory.bytes(dataFrame(file, c), PAGE_SIZE).fill(0);
  }
}

function dataFrame(file: VectorFile, c: VectorCase): number {
  return (c.memBase & ~0xfff) >>> 0 === file.lowPage ? FRAME.LOW : FRAME.MEM;
}
