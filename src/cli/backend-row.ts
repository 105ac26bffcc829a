/** Rows of the tables of backends: the properties on the command line, and how the backend is opened. */
import type { Filled, Properties } from '../machine/board/device-row.ts';
import type { CliHost } from './process.ts';

/** What a row opens; `close` is called once, when the machine has ended. */
export type Opened<B> = B & { close?(): void | Promise<void> };

export interface BackendRow<B, P extends Properties = Properties> {
  /** For people, in a few words. */
  readonly about: string;
  readonly properties: P;
  /** Opens the backend. Throws an error that says what is wrong. */
  open(properties: Filled<P>, host: CliHost): Opened<B> | Promise<Opened<B>>;
}

/** A row, with the types of its properties inferred. */
export const backend = <B, const P extends Properties>(row: BackendRow<B, P>): BackendRow<B> =>
  row as unknown as BackendRow<B>;
