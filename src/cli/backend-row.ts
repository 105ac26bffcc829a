/** Rows of the tables of backends: the properties on the command line, and how the backend is opened. */
import { type Filled, fillProperties, type Properties } from '../machine/board/device-row.ts';
import type { CliHost } from './process.ts';

/** What a row opens; `close` is called once, when the machine has ended. */
export type Opened<B> = B & { close?(): void | Promise<void> };

interface Row<B, P extends Properties> {
  /** For people, in a few words. */
  readonly about: string;
  readonly properties: P;
  /** Opens the backend. Throws an error that says what is wrong. */
  open(properties: Filled<P>, host: CliHost): Opened<B> | Promise<Opened<B>>;
}

export interface BackendRow<B> {
  readonly about: string;
  readonly properties: Properties;
  /** Opens the backend that `values` ask for; errors name it as `what`. */
  open(what: string, values: Readonly<Record<string, unknown>>, host: CliHost): Promise<Opened<B>>;
}

/** A row that checks the values it is opened with, and whose own `open` knows their types. */
export function backend<B, const P extends Properties>({ about, properties, open }: Row<B, P>): BackendRow<B> {
  return {
    about,
    properties,
    open: async (what, values, host) => open(fillProperties(what, properties, values), host),
  };
}
