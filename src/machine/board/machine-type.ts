/** The boards that there are. */

/** The board: a PC with PCI, or one that ACPI alone describes. */
export const MACHINE_TYPES = ['pc', 'microvm'] as const;
export type MachineType = (typeof MACHINE_TYPES)[number];
