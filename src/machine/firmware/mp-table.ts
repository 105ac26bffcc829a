/**
 * The MP table for guests without ACPI (Intel "MultiProcessor Specification", version 1.4, chapter 4 "MP Configuration
 * Table"). It says what the MADT says: processors, buses, the I/O APIC and where interrupts arrive.
 */

import { FIRST_PIRQ_PIN, PIRQS, pirqOf } from '../board/pirq.ts';
import type { AcpiBoard } from './acpi-board.ts';

const LOCAL_APIC = 0xfee0_0000;
const IO_APIC = 0xfec0_0000;
const IO_APIC_ID = 0;
const VERSION_1_4 = 4;
const POINTER_BYTES = 16;
const HEADER_BYTES = 44;
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x11;
const Entry = { PROCESSOR: 0, BUS: 1, IO_APIC: 2, INTERRUPT: 3, LOCAL_INTERRUPT: 4 } as const;
const ENABLED = 1;
const BOOTSTRAP = 2;
const Kind = { INT: 0, NMI: 1, EXT_INT: 3 } as const;
/** Family 6; an x87 and a local APIC: the least that a processor here has. */
const SIGNATURE = 0x600;
const FEATURES = 0x201;
/** Active high, level-triggered: ACPI's interrupt. */
const ACTIVE_HIGH_LEVEL = 0xd;
const SCI_IRQ = 9;
const ALL_LOCAL = 0xff;
const ISA_LINES = 16;
/** The PIT arrives at pin 2, and line 2 is the second controller. */
const PIT_PIN = 2;

/** The floating pointer and, right after it, the table, for physical address `base`. */
export function mpTable(base: number, { vcpus, pciSlots }: Pick<AcpiBoard, 'vcpus' | 'pciSlots'>): Uint8Array {
  const body: number[] = [];
  let count = 0;
  const entry = (...bytes: number[]): void => {
    body.push(...bytes);
    count++;
  };
  for (let id = 0; id < vcpus; id++) {
    const flags = ENABLED | (id === 0 ? BOOTSTRAP : 0);
    entry(Entry.PROCESSOR, id, LOCAL_APIC_VERSION, flags, ...dword(SIGNATURE), ...dword(FEATURES), ...dword(0, 0));
  }
  const isa = pciSlots ? 1 : 0;
  if (pciSlots) entry(Entry.BUS, 0, ...text('PCI', 6));
  entry(Entry.BUS, isa, ...text('ISA', 6));
  entry(Entry.IO_APIC, IO_APIC_ID, IO_APIC_VERSION, ENABLED, ...dword(IO_APIC));
  const wire = (bus: number, source: number, pin: number, flags = 0): void =>
    entry(Entry.INTERRUPT, Kind.INT, flags, 0, bus, source, IO_APIC_ID, pin);
  for (let line = 0; line < ISA_LINES; line++) {
    if (line !== PIT_PIN) wire(isa, line, line === 0 ? PIT_PIN : line, line === SCI_IRQ ? ACTIVE_HIGH_LEVEL : 0);
  }
  for (const slot of pciSlots ?? []) {
    for (let pin = 0; pin < PIRQS; pin++) wire(0, (slot << 2) | pin, FIRST_PIRQ_PIN + pirqOf(slot, pin + 1));
  }
  entry(Entry.LOCAL_INTERRUPT, Kind.EXT_INT, 0, 0, isa, 0, ALL_LOCAL, 0);
  entry(Entry.LOCAL_INTERRUPT, Kind.NMI, 0, 0, isa, 0, ALL_LOCAL, 1);

  const table = [
    ...text('PCMP', 4),
    ...word(HEADER_BYTES + body.length),
    ...[VERSION_1_4, 0],
    ...text('VMLNCH', 8),
    ...text('VMLAUNCH', 12),
    ...dword(0),
    ...word(0, count),
    ...dword(LOCAL_APIC),
    ...word(0),
    ...[0, 0],
    ...body,
  ];
  table[7] = checksum(table);
  const pointer = [...text('_MP_', 4), ...dword(base + POINTER_BYTES), 1, VERSION_1_4, 0, 0, 0, 0, 0, 0];
  pointer[10] = checksum(pointer);
  return Uint8Array.from([...pointer, ...table]);
}

const word = (...values: number[]): number[] => values.flatMap((value) => [value & 0xff, (value >> 8) & 0xff]);
const dword = (...values: number[]): number[] => values.flatMap((value) => word(value & 0xffff, value >>> 16));
const text = (characters: string, length: number): number[] => [...new TextEncoder().encode(characters.padEnd(length))];
const checksum = (bytes: readonly number[]): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
