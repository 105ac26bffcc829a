/*
 * What all parts of the firmware share. Memory as a guest finds it (Phoenix "System BIOS for IBM PCs, Compatibles, and
 * EISA Computers", 2nd edition; Ralf Brown's Interrupt List, "MEMORY.LST"):
 *
 *   00000  interrupt vectors               src/machine/firmware/bios-data.ts writes these three
 *   00400  BIOS data area
 *   9fc00  extended BIOS data area, 1 KiB: disks and the firmware's own state, as named below
 *   f0000  ACPI tables, SMBIOS tables, MP table
 *   f6000  memory map for INT 15h, function E820h: a word with the number of entries, then 20 bytes each
 *   fe000  this firmware: the header of header.S first, the entry of the reset at ffff0
 */
#define FIRMWARE_SEG 0xf000
#define MEMORY_MAP 0x6000
#define STACK_TOP 0x7c00

/* BIOS data area, at segment 40h. DS is there in every service. */
#define BDA_SEG 0x40
#define COM1 0x00
#define EBDA_SEG 0x0e
#define EQUIPMENT 0x10
#define BASE_MEMORY 0x13
#define SHIFTS 0x17
#define SHIFTS_2 0x18
#define KEYPAD 0x19
#define KEY_HEAD 0x1a
#define KEY_TAIL 0x1c
#define VIDEO_MODE 0x49
#define COLUMNS 0x4a
#define PAGE_BYTES 0x4c
#define PAGE_START 0x4e
#define CURSORS 0x50
#define CURSOR_SHAPE 0x60
#define VIDEO_PAGE 0x62
#define CRTC_PORT 0x63
#define TICKS 0x6c
#define MIDNIGHT 0x70
#define BREAK 0x71
#define DISK_STATUS 0x74
#define KEY_START 0x80
#define KEY_END 0x82
#define LAST_ROW 0x84
#define CHARACTER_LINES 0x85
#define KEY_FLAGS 0x96

/* Extended BIOS data area. FS is there in every service. */
#define HAS_VGA 0x20
#define DISKS 0x21
#define SERIAL_AT 0x22                  /* column and row where a terminal at the serial port stands */
#define HELD 0x24                       /* a character that the terminal was not sent yet, 0 for none .. */
#define HELD_AT 0x26                    /* .. and the column and row where it belongs */
#define REQUEST 0x30                    /* 16 bytes for the disk port: see src/devices/firmware-services.ts */
#define GEOMETRY 0x40                   /* 16 bytes a disk: sectors (8), cylinders, heads, sectors of a track (2 each) */

/* What the firmware asks of the machine (src/devices/firmware-services.ts). */
#define DISK_PORT 0x530
#define DISK_STATUS_PORT 0x534
#define DISK_BUSY 0xfe
#define WAIT_PORT 0x538

/* The caller's registers on its stack, from BP, after enter_service. */
#define R_DI 0
#define R_SI 4
#define R_BP 8
#define R_BX 16
#define R_BL 16
#define R_BH 17
#define R_DX 20
#define R_DL 20
#define R_DH 21
#define R_CX 24
#define R_CL 24
#define R_CH 25
#define R_AX 28
#define R_AL 28
#define R_AH 29
#define R_FS 32
#define R_ES 34
#define R_DS 36
#define R_FLAGS 42
#define CARRY 1
#define ZERO 0x40

        .macro enter_service
        push %ds
        push %es
        push %fs
        pushal
        mov %sp, %bp
        cld
        push $BDA_SEG
        pop %ds
        mov EBDA_SEG, %fs
        .endm

        .macro leave_service
        popal
        pop %fs
        pop %es
        pop %ds
        iret
        .endm

/* A service: looks AH up in `table` of rows, and goes there. */
        .macro service name, table
        .globl \name
\name:  enter_service
        mov $\table, %si
        mov R_AH(%bp), %al
        call dispatch
        leave_service
        .endm

/* A row of a table of services, and its last one, for all other functions. */
        .macro function number, handler
        .byte \number
        .word \handler
        .endm
        .macro otherwise handler
        .byte 0xff
        .word \handler
        .endm
