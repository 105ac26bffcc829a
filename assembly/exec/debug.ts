/** Single steps and breakpoints around one instruction. */

/** Before an instruction in debug mode. True: an event is pending and the instruction does not run. */
export function beforeStep(shadowed: bool): bool { return false; }
/** After an instruction in debug mode that raised nothing. */
export function afterStep(): void {}
/** Makes DR6 and DR7 what the handler of the pending #DB sees. True: the pushed RFLAGS.RF is set. */
export function enterDebugException(): bool { return false; }
