/** A shell that reads the guest's serial port without an echo: a command is typed, and its output read. */
import type { Machine } from '../../src/machine/machine.ts';

export class GuestConsole {
  /** Everything since power-on. */
  output = '';
  readonly #machine: Machine;
  #wake: (() => void) | null = null;
  #seen = 0;

  /** The guest must wait for input (`waitForInput`). */
  constructor(machine: Machine) {
    this.#machine = machine;
    machine.on('console', (text) => {
      this.output += text.replaceAll('\r', '');
      this.#wake?.();
    });
    machine.on('exit', () => this.#wake?.());
  }

  /** Waits for output that was not waited for before, and returns everything up to it. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.output.slice(this.#seen));
      if (found) {
        const end = this.#seen + found.index + found[0].length;
        const text = this.output.slice(this.#seen, end);
        this.#seen = end;
        return text;
      }
      if (/Kernel panic/.test(this.output)) throw this.#failure('the guest panicked');
      const length = this.output.length;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.output.length === length) {
        throw this.#failure(`the guest ended before it said ${pattern}`);
      }
    }
  }

  /** Types a command and returns what it says. Throws where it fails. */
  async run(command: string): Promise<string> {
    this.#machine.send(`${command}; echo "<ended: $?>"\n`);
    const said = await this.until(/<ended: \d+>\n/);
    const output = said.replace(/<ended: \d+>\n$/, '');
    if (!said.endsWith('<ended: 0>\n')) throw this.#failure(`${command} failed`);
    return output;
  }

  /** Nobody will wait for the guest any more. */
  #failure(what: string): Error {
    this.#machine.stop();
    return new Error(`${what}: ...${this.output.slice(-3000)}`);
  }

  /** Types without waiting. */
  type(text: string): void {
    this.#machine.send(`${text}\n`);
  }
}
