/**
 * Tables that say which serial port is the console: "Serial Port Console Redirection Table" (revision 2) and "Debug Port
 * Table 2", both documents of Microsoft's that ACPI 6.5 refers to in 5.2.6 "System Description Table Header".
 */
import { Table, table } from './acpi-table.ts';

const COM1 = { PORT: 0x3f8, PORTS: 8, IRQ: 4 } as const;
/** Interface and port subtype of a full 16550. */
const UART_16550 = 0;
/** Interrupts arrive at the PIC and at the I/O APIC. */
const PIC_AND_IO_APIC = 3;
const BAUD_115200 = 7;
const NO_PARITY = 0;
const ONE_STOP_BIT = 1;
const NO_FLOW_CONTROL = 0;
const ANSI_TERMINAL = 3;
const NO_PCI_ID = 0xffff;

/** The first serial port as the console of whoever speaks before he knows his devices. */
export function spcr(): number[] {
  const body = new Table().u8(UART_16550, 0, 0, 0).port(COM1.PORT, 8);
  body.u8(PIC_AND_IO_APIC, COM1.IRQ).u32(COM1.IRQ);
  body.u8(BAUD_115200, NO_PARITY, ONE_STOP_BIT, NO_FLOW_CONTROL, ANSI_TERMINAL, 0);
  body.u16(NO_PCI_ID).u16(NO_PCI_ID).u8(0, 0, 0).u32(0).u8(0).u32(0);
  return table('SPCR', 2, body.bytes);
}

const DBG2_HEAD = 44;
const SERIAL = 0x8000;
/** Offsets in the structure of a debug device. */
const Device = { REGISTERS: 22, SIZES: 34, NAME: 38, BYTES: 40 } as const;
/** A device that the namespace does not have. */
const NO_NAME = '.\0';

/** The same port for debuggers. */
export function dbg2(): number[] {
  const body = new Table().u32(DBG2_HEAD).u32(1);
  body.u8(0).u16(Device.BYTES).u8(1).u16(NO_NAME.length).u16(Device.NAME).u16(0).u16(0);
  body.u16(SERIAL).u16(UART_16550).u16(0).u16(Device.REGISTERS).u16(Device.SIZES);
  body.port(COM1.PORT, 8).u32(COM1.PORTS).text(NO_NAME, NO_NAME.length);
  return table('DBG2', 0, body.bytes);
}
