/** Hooks for people who watch a guest step by step. A machine without a tracer pays nothing for them. */
import type { Core, Delivery } from '../../core/types.ts';

/** An exception or interrupt that the processor began to deliver. */
export interface TracedEvent extends Delivery {
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

/** Whether a tracer needs the machine to go step by step. */
export function isStepping(tracer: Tracer | undefined): tracer is Tracer {
  return tracer?.instruction !== undefined || tracer?.event !== undefined;
}

/** Runs one instruction of `core`, one of `all`, under the eyes of `tracer`; a processor asleep in HLT has none to show. */
export function stepTraced<T>(core: Core, all: readonly Core[], tracer: Tracer, isAsleep: boolean, step: () => T): T {
  const cpu = all.indexOf(core);
  if (!isAsleep) tracer.instruction?.(core, cpu);
  const { trace } = core;
  if (!tracer.event || !trace) return step();
  const before = {
    cpl: trace.cpl,
    cs: core.getSegment('cs').selector,
    rip: core.get('rip'),
    ss: core.getSegment('ss').selector,
    rsp: core.get('rsp'),
  };
  trace.takeDelivery();
  const result = step();
  const delivery = trace.takeDelivery();
  if (delivery) tracer.event({ ...delivery, ...before }, core, cpu);
  return result;
}
