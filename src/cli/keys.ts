/** Keys of a terminal in raw mode: what goes to the guest, and what means the command itself. */

const CTRL_A = 0x01;
const CTRL_C = 0x03;
const LEAVE = 0x78;

export interface KeysOptions {
  /** Whether Ctrl-C is a key like others. */
  passesCtrlC: boolean;
  send: (bytes: Uint8Array) => void;
  leave: () => void;
}

/** Makes the filter: Ctrl-A x leaves, Ctrl-A Ctrl-A is Ctrl-A, Ctrl-A before anything else is dropped with it. */
export function keyFilter({ passesCtrlC, send, leave }: KeysOptions): (bytes: Uint8Array) => void {
  let escaped = false;
  return (bytes) => {
    const kept: number[] = [];
    for (const byte of bytes) {
      if (escaped) {
        escaped = false;
        if (byte === LEAVE) leave();
        else if (byte === CTRL_A) kept.push(byte);
      } else if (byte === CTRL_A) escaped = true;
      else if (byte === CTRL_C && !passesCtrlC) leave();
      else kept.push(byte);
    }
    if (kept.length > 0) send(Uint8Array.from(kept));
  };
}
