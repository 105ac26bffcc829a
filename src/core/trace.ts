/** What a processor did in its last instruction, read from the state block. */
import type { StateBlock } from './state.ts';
import type { Delivery, EventTrace } from './types.ts';

const NO_VECTOR = 0xffff_ffff;
/** The processor's event types, after the VMX interruption types. */
const SOFTWARE_TYPES = [4, 5, 6];

export class StateTrace implements EventTrace {
  readonly #state: StateBlock;

  constructor(state: StateBlock) {
    this.#state = state;
  }

  get cpl(): number {
    return this.#state.number('cpl');
  }

  takeDelivery(): Delivery | null {
    const state = this.#state;
    const vector = state.number('vector');
    state.setNumber('vector', NO_VECTOR);
    if (vector === NO_VECTOR) return null;
    return {
      vector,
      errorCode: state.number('errorCode'),
      isSoftware: SOFTWARE_TYPES.includes(state.number('eventType')),
    };
  }
}
