/**
 * The lock-step judge: one processor runs as it always does; the other forgets everything that it caches (translations,
 * decoded code, what entry checks need not look at again) before each instruction. Both must see the same, whatever
 * changes between: see CONTRIBUTING.md.
 */
import { GPRS, type RegisterName, Stop } from '../../src/core/types.ts';
import { disassemble } from '../../src/isa/disasm.ts';
import { type Lab, longLab, STACK0 } from '../exec/lab.ts';
import { randomNumbers } from '../random.ts';
import { vmxLab } from '../vmx/lab.ts';
import { Code } from './code.ts';
import {
  entryCode,
  exitHandler,
  GUEST_STUB_SIZE,
  GUEST_STUBS,
  GUEST_STUBS_AT,
  guestPiece,
  VMCS_REGIONS,
} from './guest-pieces.ts';
import { hostPiece, STUB_SIZE, USER_STUBS } from './host-pieces.ts';
import { hostTour } from './host-tours.ts';
import {
  buildWorld,
  chance,
  ENTER,
  EXIT_HANDLER,
  eptPointer,
  PROBE,
  put,
  type Random,
  randomOf,
  rootOf,
  USER_CODE_AT,
  USER_CODE_PAGE,
} from './world.ts';

const PIECES = 256;
const LAST_GENERATION = 0xffffff;
const USER_CODE = PROBE + 0x1000 * USER_CODE_PAGE;
const LONGEST_RUN = 300;
/** Instructions that a report shows. */
const LAST = 12;
/** Instructions between two comparisons of all memory. */
const MEMORY_EVERY = 20_000;

export interface Options {
  seed: number;
  /** Instructions to retire. */
  steps: number;
  vmx: boolean;
}
export interface Verdict {
  steps: number;
  vmExits: number;
  /** What differed first, in words; undefined where nothing did. */
  difference?: string;
}

const REGISTERS: readonly RegisterName[] = [
  ...GPRS,
  'rip',
  'rflags',
  ...(['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'xcr0', 'dr0', 'dr6', 'dr7'] as const),
];

function fillStubs(lab: Lab): void {
  for (const [n, stub] of USER_STUBS.entries()) put(lab, new Code(USER_CODE_AT + STUB_SIZE * n).hex(stub));
  for (const [n, stub] of GUEST_STUBS.entries()) {
    put(lab, new Code(USER_CODE_AT + GUEST_STUBS_AT + GUEST_STUB_SIZE * n).hex(stub));
  }
}

/** A second VMCS like the first: both cleared, the first current. */
function makeRegions(lab: Lab): void {
  const [first, second] = VMCS_REGIONS;
  const { memory } = lab.core;
  const code = (at: number, bytes: string, address: number) => {
    lab.put64(0x10200, BigInt(address));
    lab.code(at, bytes);
    lab.set({ rip: at, rax: 0x10200 });
    lab.step(1);
  };
  code(0x10210, '66 0f c7 30', 0x41000); // vmclear
  for (const region of [first, second]) memory.bytes(region, 0x1000).set(memory.bytes(0x41000, 0x1000));
  for (const region of [second, first]) code(0x10220, '0f c7 30', region); // vmptrld
}

async function makeLab({ seed, vmx }: Options): Promise<Lab> {
  const next = randomOf(seed);
  const one = vmx ? await vmxLab(true, 'max,+vmx') : undefined;
  const lab = one?.lab ?? (await longLab('max'));
  one?.write({
    HOST_RIP: EXIT_HANDLER,
    HOST_RSP: STACK0 - 8, // where a call left its return address
    HOST_CR3: rootOf(0),
    HOST_CR4: 0x2020 | 0x20000,
    EPTP: eptPointer(0, false),
    EXIT_CONTROLS: one.read('EXIT_CONTROLS') | 0x200000n, // load IA32_EFER
  });
  fillStubs(lab);
  const piece = (code: Code, random: Random) => {
    if (vmx && chance(random, 60)) return guestPiece(code, random);
    return chance(random, vmx ? 5 : 25) ? hostTour(code, random) : hostPiece(code, random, vmx);
  };
  buildWorld(lab, next, PIECES, piece);
  put(lab, exitHandler(new Code(EXIT_HANDLER)));
  put(lab, entryCode(new Code(ENTER)));
  if (vmx) {
    const { rip, r15 } = { rip: lab.get('rip'), r15: lab.get('r15') };
    makeRegions(lab);
    lab.set({ cr4: lab.get('cr4') | 0x20000n, rip, r15 });
  }
  const { core } = lab;
  core.writeMsr(0x1b, core.readMsr(0x1b) | 0xc00n); // x2APIC
  core.writeMsr(0x80f, 0x1ffn);
  return lab;
}

function differences(one: Lab, other: Lab): string[] {
  const found = REGISTERS.filter((name) => one.get(name) !== other.get(name)).map(
    (name) => `${name} is 0x${one.get(name).toString(16)}, without caches 0x${other.get(name).toString(16)}`,
  );
  for (const field of ['cpl', 'nonRoot', 'activity'] as const) {
    const [a, b] = [one.core.state.number(field), other.core.state.number(field)];
    if (a !== b) found.push(`${field} is ${a}, without caches ${b}`);
  }
  return found;
}
const bytesOf = (lab: Lab): Buffer => {
  const bytes = lab.core.memory.bytes(0, lab.core.memory.size);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
};

/** Forgets everything, then executes one instruction or delivers one event. */
function naiveStep(lab: Lab): void {
  lab.core.forgetCaches();
  lab.core.run(1);
}

/** Does the forgetful processor stand where the other one came to? An event that is delivered retires nothing. */
function catchUp(fast: Lab, naive: Lab, seen: (rip: bigint) => void): boolean {
  const target = fast.core.retired;
  const same = () =>
    naive.get('rip') === fast.get('rip') &&
    naive.core.state.number('nonRoot') === fast.core.state.number('nonRoot') &&
    naive.get('rsp') === fast.get('rsp');
  const step = () => {
    seen(naive.get('rip'));
    naiveStep(naive);
  };
  while (naive.core.retired < target) step();
  for (let n = 0; n < 8 && !same() && naive.core.retired === target; n++) step();
  return naive.core.retired === target && same();
}

/** Lets the numbers of the TLB's banks, which millions of flushes would use up, come to their end within a dozen. */
function skipGenerations({ core: { state } }: Lab): void {
  const last = LAST_GENERATION - 10;
  if (state.number('nextGeneration') < last) state.setNumber('nextGeneration', last);
}

/** The end of a race: its last run, counted from 0, and how long that run may be. */
interface End {
  run: number;
  length: number;
}
interface Race extends Verdict {
  end: End;
  /** The last instructions of the processor without caches, as addresses. */
  trail: bigint[];
  naive: Lab;
}

async function race(options: Options, end?: End): Promise<Race> {
  const [fast, naive] = [await makeLab(options), await makeLab(options)];
  const next = randomNumbers(options.seed ^ 0x5eed);
  const began = fast.core.retired;
  const trail: bigint[] = [];
  const steps = () => fast.core.retired - began;
  let memoryAt = MEMORY_EVERY;
  for (let run = 0; ; run++) {
    const isLast = run === end?.run;
    const length = isLast ? end.length : 1 + (next() % LONGEST_RUN);
    if (options.seed % 4 > 0) skipGenerations(fast);
    const stop = fast.core.run(length);
    if (stop === Stop.HALT || stop === Stop.SHUTDOWN)
      throw new Error(`seed ${options.seed}: the program stopped (${stop})`);
    trail.length = 0;
    const caughtUp = catchUp(fast, naive, (rip) => trail.push(rip));
    const found = differences(fast, naive);
    if (!caughtUp && found.length === 0) found.push(`${naive.core.retired - began} retired, not ${steps()}`);
    if (found.length === 0 && steps() >= memoryAt) {
      memoryAt += MEMORY_EVERY;
      const at = firstDifference(fast, naive);
      if (at >= 0) found.push(`memory at 0x${at.toString(16)}`);
    }
    if (found.length === 0 && !isLast && steps() < options.steps) continue;
    return {
      steps: steps(),
      vmExits: fast.core.vmx.counts.reduce((sum, { count }) => sum + count, 0),
      ...(found.length > 0 ? { difference: found.join('; ') } : {}),
      end: { run, length },
      trail,
      naive,
    };
  }
}

/** Runs one seed until `steps` instructions have retired or something differs, and says how short a run shows it. */
export async function judge(options: Options): Promise<Verdict> {
  const whole = await race(options);
  const { steps, vmExits, difference } = whole;
  if (!difference) return { steps, vmExits };
  let [shortest, low] = [whole, 1];
  while (low < shortest.end.length) {
    const length = (low + shortest.end.length) >> 1;
    const tried = await race(options, { run: whole.end.run, length });
    if (tried.difference) shortest = tried;
    else low = length + 1;
  }
  const trail = shortest.trail.slice(-LAST).map((rip) => `  ${textAt(shortest.naive, rip)}`);
  const head = `seed ${options.seed}, after ${steps} instructions: ${shortest.difference}`;
  return { steps, vmExits, difference: [head, `run ${whole.end.run} of ${shortest.end.length}:`, ...trail].join('\n') };
}

function instructionAt(lab: Lab, pa: number): string {
  const decoded = disassemble(lab.core.memory.bytes(pa, 16), { mode: 64 });
  return 'text' in decoded ? decoded.text : '(bad)';
}
/** The instruction at a linear address, as far as the address tells where it lies. */
function textAt(lab: Lab, rip: bigint): string {
  const linear = Number(rip);
  const pa = linear >= USER_CODE && linear < USER_CODE + 0x1000 ? linear - USER_CODE + USER_CODE_AT : linear;
  const name = `${linear.toString(16)}: `;
  return pa + 16 > PROBE ? name : name + instructionAt(lab, pa);
}

function firstDifference(fast: Lab, naive: Lab): number {
  const [a, b] = [bytesOf(fast), bytesOf(naive)];
  return a.equals(b) ? -1 : a.findIndex((byte, n) => byte !== b[n]);
}
