/* A terminal at the first serial port: what teletype and cursor say goes there too, and what it types is keys. */
#include "firmware.h"
        .code16
        .text
#define TRIES 0x1000
#define DATA_READY 0x01
#define SPACE 0x20
        .globl line_out, line_at, line_held, line_clear, type_line
/* Sends %al, where there is a port. */
line_out:
        push %ax
        push %cx
        push %dx
        mov COM1, %dx
        test %dx, %dx
        jz 2f
        mov %al, %ah
        add $5, %dx
        mov $TRIES, %cx
1:      inb %dx, %al
        test $SPACE, %al
        loopz 1b
        sub $5, %dx
        mov %ah, %al
        outb %al, %dx
2:      pop %dx
        pop %cx
        pop %ax
        ret

/* Moves the terminal's cursor to column %dl, row %dh, unless it is there. */
line_at:
        cmp %dx, %fs:SERIAL_AT
        je 1f
        push %ax
        mov %dx, %fs:SERIAL_AT
        mov $0x1b, %al
        call line_out
        mov $'[', %al
        call line_out
        mov %dh, %al
        call number
        mov $';', %al
        call line_out
        mov %dl, %al
        call number
        mov $'H', %al
        call line_out
        pop %ax
1:      ret
/* %al + 1 in decimal. */
number: inc %al
        aam
        test %ah, %ah
        jz 1f
        xchg %al, %ah
        add $'0', %al
        call line_out
        xchg %al, %ah
1:      add $'0', %al
        jmp line_out

/* Sends the character that was held back. */
line_held:
        cmpb $0, %fs:HELD
        je 1f
        pusha
        mov %fs:HELD_AT, %dx
        call line_at
        mov %fs:HELD, %al
        call line_out
        inc %dl
        cmp COLUMNS, %dl
        jb 2f
        mov $-1, %dx                    /* nobody knows where the terminal stands after its last column */
2:      mov %dx, %fs:SERIAL_AT
        movb $0, %fs:HELD
        popa
1:      ret

/* Clears the terminal, unless nothing was written to it. */
line_clear:
        movb $0, %fs:HELD
        cmpw $0, %fs:SERIAL_AT
        je 1f
        xor %dx, %dx
        call line_at
        mov $0x1b, %al
        call line_out
        mov $'[', %al
        call line_out
        mov $'J', %al
        call line_out
1:      ret

/* A byte from the line in %al; carry where none waits. */
line_in:
        mov COM1, %dx
        test %dx, %dx
        jz 1f
        add $5, %dx
        inb %dx, %al
        test $DATA_READY, %al
        jz 1f
        sub $5, %dx
        inb %dx, %al
        clc
        ret
1:      stc
        ret
/* The same of the rest of a sequence, which is on its way: for the time of three bytes at 9600 baud. */
line_rest:
        mov $63, %cx
1:      call line_in
        jnc 2f
        mov $WAIT_PORT, %dx
        mov $50, %eax
        outl %eax, %dx
        loop 1b
        stc
2:      ret

/* Puts what the terminal typed into the buffer of keys. */
type_line:
        call line_held
        call line_in
        jc 9f
        cmp $0x1b, %al
        je 3f
        cmp $0x7f, %al
        jne 1f
        mov $0x08, %al
1:      cmp $0x0a, %al
        jne 2f
        mov $0x0d, %al
2:      call key_of
        jmp 5f
3:      call line_rest
        mov $0x011b, %cx                /* Escape by itself */
        jc 4f
        cmp $'[', %al
        je 6f
        cmp $'O', %al
        je 6f
4:      mov %cx, %ax
5:      call store
9:      ret
6:      call line_rest
        jc 9b
        mov $arrows, %si
7:      mov %cs:(%si), %cx              /* letter, scan code */
        add $2, %si
        test %cl, %cl
        jz 9b
        cmp %cl, %al
        jne 7b
        cmp $'9', %al
        ja 8f
        push %cx
        call line_rest                  /* digits end with a tilde */
        pop %cx
8:      mov %ch, %ah
        mov $0xe0, %al
        jmp 5b
arrows: .byte 'A', 0x48, 'B', 0x50, 'C', 0x4d, 'D', 0x4b, 'H', 0x47, 'F', 0x4f
        .byte '1', 0x47, '2', 0x52, '3', 0x53, '4', 0x4f, '5', 0x49, '6', 0x51, 0, 0

/* The key that types %al, in %ax. */
key_of: xor %bx, %bx
1:      cmp %al, %cs:plain(%bx)
        je 2f
        cmp %al, %cs:shifted(%bx)
        je 2f
        inc %bx
        cmp $0x3a, %bx
        jb 1b
        xor %bx, %bx
        cmp $0x1b, %al                  /* control and a letter */
        jae 2f
        push %ax
        or $0x60, %al
        call key_of
        mov %ah, %bl
        pop %ax
2:      mov %bl, %ah
        ret
