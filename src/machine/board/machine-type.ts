/** The boards that there are. */

/** The board: a PC with PCI, one with PCI Express, or one that ACPI alone describes. */
export const MACHINE_TYPES = ['pc', 'q35', 'microvm'] as const;
export type MachineType = (typeof MACHINE_TYPES)[number];

/** Whether a board has what PCs have: a PCI bus, a keyboard controller, a VGA. */
export const isPc = (type: MachineType): boolean => type !== 'microvm';
