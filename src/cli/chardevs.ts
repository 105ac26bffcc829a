/** Kinds of character streams, for -chardev. */
import type { CharBackend } from '../index.ts';
import { type BackendRow, backend } from './backend-row.ts';
import { StdioChardev } from './stdio-chardev.ts';

const nothing = (): (() => void) => () => {};

export const CHARDEVS: Readonly<Record<string, BackendRow<CharBackend>>> = {
  null: backend({
    about: 'takes everything, says nothing',
    properties: {},
    open: () => ({ write: () => {}, connect: nothing }),
  }),
  file: backend({
    about: 'a file for what the guest writes',
    properties: { path: { kind: 'text', required: true } },
    open({ path }, host) {
      const file = host.openFile(path);
      return { write: (bytes) => file.write(bytes), connect: nothing, close: () => file.close() };
    },
  }),
  stdio: backend({
    about: 'the terminal, which is no serial port then',
    properties: {},
    open: (_properties, host) => new StdioChardev((bytes) => host.out(bytes)),
  }),
};
