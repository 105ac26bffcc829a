/** Which frames hold decoded code, and who is told when one is written: the code cache is a layer above. */
import { CODE_FRAMES } from '../cpu/window';

/** Does anybody hold decoded code of the frame at `host`? */
@inline export function holdsCode(host: u32): bool { return load<u8>(CODE_FRAMES + (host >> 12)) != 0; }

/** Tells the code cache that `size` bytes at `host` changed; true where the running block must be left. */
export let tellCodeWritten: (host: u32, size: u32) => bool = (host: u32, size: u32): bool => false;
export function onCodeWritten(listener: (host: u32, size: u32) => bool): void { tellCodeWritten = listener; }
