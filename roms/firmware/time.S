/* IRQ 0, and INT 1Ah: ticks since midnight, the clock, and the PCI BIOS in pci.S. */
#include "firmware.h"
        .code16
        .text
#define TICKS_A_DAY 0x1800b0
        .globl irq0
irq0:   push %ds
        push %eax
        push $BDA_SEG
        pop %ds
        incl TICKS
        cmpl $TICKS_A_DAY, TICKS
        jb 1f
        movl $0, TICKS
        incb MIDNIGHT
1:      int $0x1c
        mov $0x20, %al
        outb %al, $0x20
        pop %eax
        pop %ds
        iret

        service int1a, clock
clock:  function 0x00, get_ticks
        function 0x01, set_ticks
        function 0x02, get_time
        function 0x03, set_time
        function 0x04, get_date
        function 0x05, set_date
        function 0xb1, pci_bios
        otherwise set_carry

get_ticks:
        xor %al, %al
        xchg %al, MIDNIGHT
        mov %al, R_AL(%bp)
        mov TICKS, %eax
        mov %ax, R_DX(%bp)
        shr $16, %eax
        mov %ax, R_CX(%bp)
        jmp clear_carry
set_ticks:
        mov R_CX(%bp), %ax
        shl $16, %eax
        mov R_DX(%bp), %ax
        mov %eax, TICKS
        movb $0, MIDNIGHT
        jmp clear_carry

/* Register %al of the clock, to and from %ah. */
cmos_read:
        outb %al, $0x70
        inb $0x71, %al
        mov %al, %ah
        ret
cmos_write:
        outb %al, $0x70
        mov %ah, %al
        outb %al, $0x71
        ret
/* Waits until the clock does not update itself. */
settled:
        mov $0x0a, %al
        call cmos_read
        test $0x80, %ah
        jnz settled
        ret

get_time:
        call settled
        mov $0x00, %al
        call cmos_read
        mov %ah, R_DH(%bp)
        mov $0x02, %al
        call cmos_read
        mov %ah, R_CL(%bp)
        mov $0x04, %al
        call cmos_read
        mov %ah, R_CH(%bp)
        mov $0x0b, %al
        call cmos_read
        and $1, %ah
        mov %ah, R_DL(%bp)
        jmp clear_carry
set_time:
        mov $0x0b, %al
        call cmos_read
        and $0x7e, %ah
        mov R_DL(%bp), %bl
        and $1, %bl
        or %bl, %ah
        mov $0x0b, %al
        call cmos_write
        mov R_DH(%bp), %ah
        mov $0x00, %al
        call cmos_write
        mov R_CL(%bp), %ah
        mov $0x02, %al
        call cmos_write
        mov R_CH(%bp), %ah
        mov $0x04, %al
        call cmos_write
        jmp clear_carry
get_date:
        call settled
        mov $0x07, %al
        call cmos_read
        mov %ah, R_DL(%bp)
        mov $0x08, %al
        call cmos_read
        mov %ah, R_DH(%bp)
        mov $0x09, %al
        call cmos_read
        mov %ah, R_CL(%bp)
        mov $0x32, %al
        call cmos_read
        mov %ah, R_CH(%bp)
        jmp clear_carry
set_date:
        mov R_DL(%bp), %ah
        mov $0x07, %al
        call cmos_write
        mov R_DH(%bp), %ah
        mov $0x08, %al
        call cmos_write
        mov R_CL(%bp), %ah
        mov $0x09, %al
        call cmos_write
        mov R_CH(%bp), %ah
        mov $0x32, %al
        call cmos_write
        jmp clear_carry
