/** Hooks for people who watch a guest step by step. A machine without a tracer pays nothing for them. */
import { WasmCore } from '../../core/index.ts';
import type { Core } from '../../core/types.ts';

/** An exception or interrupt that the processor began to deliver. */
export interface TracedEvent {
  vector: number;
  errorCode: number;
  /** INT n, INT3, INTO or INT1. */
  isSoftware: boolean;
  /** Where the guest was. */
  cpl: number;
  cs: number;
  rip: bigint;
  ss: number;
  rsp: bigint;
}

export interface Tracer {
  /** Before each instruction of processor `cpu`; the machine then runs one at a time. */
  instruction?(core: Core, cpu: number): void;
  /** After an instruction that ended in the delivery of an event; the machine runs one at a time here too. */
  event?(event: TracedEvent, core: Core, cpu: number): void;
}

const NO_VECTOR = 0xffff_ffff;
/** The processor's event types, after the VMX interruption types. */
const SOFTWARE_TYPES = [4, 5, 6];

/** Whether a tracer needs the machine to go step by step. */
export function isStepping(tracer: Tracer | undefined): tracer is Tracer {
  return tracer?.instruction !== undefined || tracer?.event !== undefined;
}

/** Runs one instruction of `core`, one of `all`, under the eyes of `tracer`; a processor asleep in HLT has none to show. */
export function stepTraced<T>(core: Core, all: readonly Core[], tracer: Tracer, isAsleep: boolean, step: () => T): T {
  const cpu = all.indexOf(core);
  if (!isAsleep) tracer.instruction?.(core, cpu);
  if (!tracer.event || !(core instanceof WasmCore)) return step();
  const { state } = core;
  const before = {
    cpl: state.number('cpl'),
    cs: core.getSegment('cs').selector,
    rip: core.get('rip'),
    ss: core.getSegment('ss').selector,
    rsp: core.get('rsp'),
  };
  state.setNumber('vector', NO_VECTOR);
  const result = step();
  const vector = state.number('vector');
  if (vector !== NO_VECTOR) {
    const isSoftware = SOFTWARE_TYPES.includes(state.number('eventType'));
    tracer.event({ vector, errorCode: state.number('errorCode'), isSoftware, ...before }, core, cpu);
  }
  return result;
}
