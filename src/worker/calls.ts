/** What may be asked of a machine in a Worker, each with what is done there. */
import type { Machine } from '../index.ts';
import { pictureOf } from './picture.ts';

type RunLimits = Parameters<Machine['run']>[0];

export const CALLS = {
  run: (machine: Machine, limits?: RunLimits) => machine.run(limits),
  stop: (machine: Machine) => machine.stop(),
  step: (machine: Machine, count?: number) => machine.step(count),
  send: (machine: Machine, input: string | Uint8Array, port?: number) => machine.send(input, port),
  closeInput: (machine: Machine) => machine.closeInput(),
  powerButton: (machine: Machine) => machine.powerButton(),
  report: (machine: Machine) => machine.report,
  notes: (machine: Machine) => machine.notes,
  keyDown: (machine: Machine, code: string) => machine.keyboard.down(code),
  keyUp: (machine: Machine, code: string) => machine.keyboard.up(code),
  keyPress: (machine: Machine, codes: readonly string[]) => machine.keyboard.press(...codes),
  keyType: (machine: Machine, text: string) => machine.keyboard.type(text),
  keyLeds: (machine: Machine) => machine.keyboard.leds,
  mouseMove: (machine: Machine, x: number, y: number, wheel?: number) => machine.mouse.move(x, y, wheel),
  mouseDown: (machine: Machine, button?: number) => machine.mouse.down(button),
  mouseUp: (machine: Machine, button?: number) => machine.mouse.up(button),
  screenText: (machine: Machine) => machine.screen.text(),
  screenCells: (machine: Machine) => machine.screen.cells(),
  screenFrame: (machine: Machine) => machine.screen.frame(),
  screenPicture: (machine: Machine, isFresh?: boolean) => pictureOf(machine, isFresh),
} as const;

export type CallName = keyof typeof CALLS;

/** What a call is given beside the machine. */
export type Arguments<Name extends CallName> = (typeof CALLS)[Name] extends (
  machine: Machine,
  ...rest: infer Rest
) => unknown
  ? Rest
  : never;

/** What a call comes to. */
export type Answer<Name extends CallName> = Awaited<ReturnType<(typeof CALLS)[Name]>>;
