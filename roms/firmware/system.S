/* INT 11h, 12h, 14h, 15h and 17h: what the machine is, its memory, A20, waiting, and serial ports. */
#include "firmware.h"
        .code16
        .text
#define UNSUPPORTED 0x86
#define SMAP 0x534d4150
        .globl int11, int12, int17
int11:  push %ds
        push $BDA_SEG
        pop %ds
        mov EQUIPMENT, %ax
        pop %ds
        iret
int12:  push %ds
        push $BDA_SEG
        pop %ds
        mov BASE_MEMORY, %ax
        pop %ds
        iret
int17:  mov $0x01, %ah                  /* no printer: it times out */
        iret

        service int15, functions
functions:
        function 0x24, a20
        function 0x4f, keep_key
        function 0x86, wait
        function 0x87, move
        function 0x88, extended
        function 0x90, no_wait
        function 0x91, no_wait
        function 0xc0, describe
        function 0xc1, ebda
        function 0xe8, memory
        otherwise unsupported
unsupported:
        mov $UNSUPPORTED, %ah
        jmp fail
no_wait:
        movb $0, R_AH(%bp)
        jmp clear_carry
keep_key:
        jmp set_carry

a20:    mov R_AL(%bp), %al
        cmp $3, %al
        ja unsupported
        je 3f
        mov %al, %ah
        inb $0x92, %al
        cmp $2, %ah
        je 2f
        and $0xfc, %al                  /* bit 0 would start the machine over */
        add %ah, %al
        add %ah, %al                    /* bit 1 opens the gate */
        outb %al, $0x92
        jmp no_wait
2:      shr $1, %al
        and $1, %al
        mov %al, R_AL(%bp)
        jmp no_wait
3:      movw $3, R_BX(%bp)              /* by the keyboard controller and by port 92h */
        jmp no_wait

/* CX:DX microseconds pass, a few at a time, between which interrupts are taken. */
#define STEP 50
wait:   mov R_CX(%bp), %ax
        shl $16, %eax
        mov R_DX(%bp), %ax
        mov %eax, %ecx
        mov $WAIT_PORT, %dx
        sti
1:      mov $STEP, %eax
        cmp %eax, %ecx
        jae 2f
        mov %ecx, %eax
2:      outl %eax, %dx
        sub %eax, %ecx
        jnz 1b
        jmp no_wait

/*
 * CX words between any addresses: ES:SI is a table of descriptors, of which the caller has written 10h (from) and 18h
 * (to). The others are the table itself, and this firmware's code and the caller's stack.
 */
#define TABLE 0x08
#define FROM 0x10
#define TO 0x18
#define CODE 0x20
#define STACK 0x28
move:   cli
        mov R_ES(%bp), %es
        mov R_SI(%bp), %si
        movw $0x2f, %es:TABLE(%si)
        xor %eax, %eax
        mov %es, %ax
        shl $4, %eax
        movzwl %si, %ecx
        add %ecx, %eax
        mov %eax, %es:TABLE + 2(%si)
        movl $0x0000ffff, %es:CODE(%si)
        movl $0x00009b0f, %es:CODE + 4(%si)
        xor %eax, %eax
        mov %ss, %ax
        shl $4, %eax
        movw $0xffff, %es:STACK(%si)
        mov %eax, %es:STACK + 2(%si)
        movb $0x93, %es:STACK + 5(%si)
        movw $0, %es:STACK + 6(%si)
        inb $0x92, %al
        push %ax
        and $0xfe, %al
        or $0x02, %al
        outb %al, $0x92
        mov R_CX(%bp), %cx
        push %ss
        lgdtl %es:TABLE(%si)
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmp $CODE, $1f
1:      mov $STACK, %ax
        mov %ax, %ss
        mov $FROM, %ax
        mov %ax, %ds
        mov $TO, %ax
        mov %ax, %es
        xor %si, %si
        xor %di, %di
        rep movsw
        mov $STACK, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %cr0, %eax
        and $0xfe, %al
        mov %eax, %cr0
        ljmp $FIRMWARE_SEG, $2f
2:      pop %ss
        pop %ax
        and $0xfe, %al
        outb %al, $0x92
        jmp no_wait

/* The CMOS has KiB from 1 MiB on at 30h, and units of 64 KiB from 16 MiB on at 34h. */
cmos_word:
        inc %al
        outb %al, $0x70
        mov %al, %ah
        inb $0x71, %al
        xchg %al, %ah
        dec %al
        outb %al, $0x70
        inb $0x71, %al
        ret
extended:
        mov $0x30, %al
        call cmos_word
        mov %ax, R_AX(%bp)
        jmp clear_carry

describe:
        movw $FIRMWARE_SEG, R_ES(%bp)
        movw $description, R_BX(%bp)
        jmp no_wait
description:
        .word 8
        .byte 0xfc, 0, 1                /* model, submodel, revision */
        .byte 0x74                      /* second PIC, clock, INT 15h for keys, an extended BIOS data area */
        .byte 0x40, 0, 0, 0             /* INT 16h function 9 */
ebda:   mov EBDA_SEG, %ax
        mov %ax, R_ES(%bp)
        jmp no_wait

memory: cmpb $0x01, R_AL(%bp)
        je 1f
        cmpb $0x20, R_AL(%bp)
        jne unsupported
        cmpl $SMAP, R_DX(%bp)
        jne unsupported
        cmpl $20, R_CX(%bp)
        jb unsupported
        push $FIRMWARE_SEG
        pop %ds
        movzwl MEMORY_MAP, %ecx
        mov R_BX(%bp), %eax
        cmp %ecx, %eax
        jae unsupported
        imul $20, %ax, %si
        add $MEMORY_MAP + 2, %si
        inc %eax
        cmp %ecx, %eax
        jb 2f
        xor %eax, %eax                  /* that was the last one */
2:      mov %eax, R_BX(%bp)
        mov R_ES(%bp), %es
        mov R_DI(%bp), %di
        mov $10, %cx
        rep movsw
        movl $SMAP, R_AX(%bp)
        movl $20, R_CX(%bp)
        jmp clear_carry
/* E801h: KiB from 1 to 16 MiB, and units of 64 KiB above. */
1:      mov $0x30, %al
        call cmos_word
        cmp $0x3c00, %ax
        jbe 3f
        mov $0x3c00, %ax
3:      mov %ax, R_AX(%bp)
        mov %ax, R_CX(%bp)
        mov $0x34, %al
        call cmos_word
        mov %ax, R_BX(%bp)
        mov %ax, R_DX(%bp)
        jmp clear_carry

        service int14, serial
serial: function 0x00, serial_init
        function 0x01, serial_send
        function 0x02, serial_receive
        function 0x03, serial_status
        otherwise set_carry
/* The registers of port DX, which is one of four; carry where there is none. */
port:   mov R_DX(%bp), %bx
        cmp $4, %bx
        jae 1f
        shl $1, %bx
        mov COM1(%bx), %dx
        test %dx, %dx
        jz 1f
        ret
1:      pop %ax                         /* not back to the caller */
        movb $0x80, R_AH(%bp)
        ret
serial_init:
        call port
        mov R_AL(%bp), %bl
        add $3, %dx
        mov $0x80, %al
        outb %al, %dx
        sub $3, %dx
        mov %bl, %al
        shr $5, %al
        xor %bh, %bh
        push %bx
        mov %al, %bl
        shl $1, %bx
        mov %cs:divisors(%bx), %ax
        pop %bx
        outb %al, %dx
        inc %dx
        mov %ah, %al
        outb %al, %dx
        add $2, %dx
        mov %bl, %al
        and $0x1f, %al
        outb %al, %dx
        jmp serial_status
divisors:
        .word 1047, 768, 384, 192, 96, 48, 24, 12
serial_send:
        call port
        mov R_AL(%bp), %al
        outb %al, %dx
        jmp serial_status
serial_receive:
        call port
        add $5, %dx
        mov $0xffff, %cx
1:      inb %dx, %al
        test $1, %al
        loopz 1b
        jz 2f
        and $0x1e, %al
        mov %al, R_AH(%bp)
        sub $5, %dx
        inb %dx, %al
        mov %al, R_AL(%bp)
        ret
2:      movb $0x80, R_AH(%bp)           /* it timed out */
        ret
serial_status:
        call port
        add $5, %dx
        inb %dx, %al
        mov %al, R_AH(%bp)
        inc %dx
        inb %dx, %al
        mov %al, R_AL(%bp)
        ret
