/** Waiting for what other processes and sockets do. */
import { vi } from 'vitest';

/** As long as a machine may take that has much else to do. */
const PATIENCE_MS = 20_000;

/** Tries `check` again and again until it does not throw. */
export function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: PATIENCE_MS });
}
