/** Debug registers (SDM Vol. 3B, "Debug Registers"). */
import { cpu } from './state';

/** Notes in pendingDebug which data breakpoints an access of `size` bytes at `la` matches. */
export function hitsDataBreakpoint(la: u64, size: u32, write: bool): void {}
