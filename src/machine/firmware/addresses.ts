/** Where firmware puts what the board's fixed devices leave open. */

export const ACPI_PM_BASE = 0x600;
export const SCI_IRQ = 9;
export const HPET_BASE = 0xfed0_0000;
