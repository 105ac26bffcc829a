/** Instructions on the flags themselves. */
import { cpu, GPR } from '../cpu/state';
import { arithmeticFlags, cf, changeFlags, Flag, setCf } from '../cpu/flags';
import { Rec } from '../isa/record';

export function opClc(i: Rec): void { setCf(0); }
export function opStc(i: Rec): void { setCf(1); }
export function opCmc(i: Rec): void { setCf(cf() ^ 1); }
export function opCld(i: Rec): void { cpu.rflags &= ~(<u64>Flag.DF); }
export function opStd(i: Rec): void { cpu.rflags |= Flag.DF; }

/** SF ZF AF PF CF in their places of the low byte, whose bit 1 is 1. */
export function opLahf(i: Rec): void { store<u8>(GPR, <u8>arithmeticFlags() | 2, 1); }
export function opSahf(i: Rec): void { changeFlags(0xd5, load<u8>(GPR, 1)); }

/** AL := CF ? FFH : 0, which the manual keeps to itself. */
export function opSalc(i: Rec): void { store<u8>(GPR, cf() != 0 ? 0xff : 0); }
