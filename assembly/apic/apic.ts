/** The local APIC (SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"). */
import { cpu } from '../cpu/state';

/** Does the enabled xAPIC page cover `pa`? */
export function apicOwns(pa: u64): bool {
  return (cpu.apicBase & 0xc00) == 0x800 && (pa & ~0xfff) == (cpu.apicBase & 0x000ffffffffff000);
}
export function apicRead(offset: u32, width: u32): u32 { return 0; }
export function apicWrite(offset: u32, width: u32, value: u32): void {}
export function apicTimer(): void {}
