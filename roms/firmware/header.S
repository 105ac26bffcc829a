/* What the machine reads to fill the vector table and to start, the interrupts nobody handles, and the ends of a BIOS. */
#include "firmware.h"
        .code16
        .section .header, "ax"
        .word boot                      /* where a machine without a kernel starts */
        .word ignored                   /* for the vectors not named here */
        .word 32                        /* vectors 00h on .. */
        .rept 5
        .word ignored
        .endr
        .word ignored, ignored, ignored                                 /* 05h print screen, 06h, 07h */
        .word irq0, int09, unheard, unheard, unheard, unheard, unheard, unheard
        .word int10, int11, int12, int13, int14, int15, int16, int17
        .word int18, boot, int1a, ignored, ignored, 0, 0, 0             /* 1Bh break, 1Ch tick, 1Dh..1Fh tables */
        .word 8                         /* .. and those from 70h on */
        .rept 5
        .word unheard2
        .endr
        .word irq13, unheard2, unheard2

        .text
        .globl dispatch
/* Goes to the row of %cs:%si whose number is %al. */
dispatch:
        cmpb %al, %cs:(%si)
        je 1f
        cmpb $0xff, %cs:(%si)
        je 1f
        add $3, %si
        jmp dispatch
1:      jmp *%cs:1(%si)

        .globl fail
/* Carry, and the status %ah. */
fail:   mov %ah, R_AH(%bp)
        .globl set_carry
set_carry:
        orb $CARRY, R_FLAGS(%bp)
        ret
        .globl clear_carry
clear_carry:
        andb $~CARRY, R_FLAGS(%bp)
        ret

ignored:
        iret
irq13:  push %ax                        /* the x87's exception: an NMI on the first PC, and so on all others */
        xor %al, %al
        outb %al, $0xf0
        mov $0x20, %al
        outb %al, $0xa0
        outb %al, $0x20
        pop %ax
        int $0x02
        iret
unheard2:
        push %ax
        mov $0x20, %al
        outb %al, $0xa0
        jmp 1f
unheard:
        push %ax
1:      mov $0x20, %al
        outb %al, $0x20
        pop %ax
        iret

/* Software that jumps to the reset's entry wants the machine to start over. */
reset:  mov $0x06, %al
        mov $0xcf9, %dx
        outb %al, %dx
        mov $0xfe, %al
        outb %al, $0x64
1:      hlt
        jmp 1b

        .section .reset, "ax"
        ljmp $FIRMWARE_SEG, $reset
        .ascii "01/01/26"
        .byte 0
        .byte 0xfc                      /* model: an AT */
        .byte 0
