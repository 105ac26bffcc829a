/** Kinds of networks, for -netdev and -nic. */
import type { NetBackend } from '../index.ts';
import type { BackendRow } from './backend-row.ts';

export const NETDEVS: Readonly<Record<string, BackendRow<NetBackend>>> = {};
