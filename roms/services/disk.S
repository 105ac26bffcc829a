/*
 * A disk that asks a BIOS for its services and prints what they answer, a line each: a name and words in hexadecimal. It
 * runs on any PC with 2 MiB or more: the first sector loads the others by INT 13h. Ends by HLT with interrupts off.
 */
        .code16
        .text
#define SECTORS 3
#define SCRATCH 0xa000                  /* a buffer of some sectors */
#define MARK 0x5a7e

/* Prints `name` and the words pushed last to first by `value`s before. */
        .macro line name
        call print
        .asciz "\name"
        .endm
        .macro value register
        push \register
        call hex
        .endm
        .macro end
        call newline
        .endm

        .globl _start
_start: ljmp $0, $1f
1:      xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %dl, disk
        mov $packet, %si
        mov $0x42, %ah
        int $0x13
        jc 2f
        jmp main
2:      mov %ax, %bx
        line "no packets"
        value %bx
        end
        jmp halt

packet: .byte 16, 0
        .word SECTORS, 0x7e00, 0
        .quad 1
disk:   .byte 0

/* The text behind the call. */
print:  pop %si
1:      lodsb
        test %al, %al
        jz 2f
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        jmp 1b
2:      jmp *%si
newline:
        call print
        .asciz "\r\n"
        ret
/* A space and the word on the stack. */
hex:    push %bp
        mov %sp, %bp
        pusha
        mov $0x0e20, %ax
        mov $7, %bx
        int $0x10
        mov 4(%bp), %dx
        mov $4, %cx
1:      rol $4, %dx
        mov %dl, %al
        and $0x0f, %al
        cmp $10, %al
        sbb $0x69, %al
        das
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        loop 1b
        popa
        pop %bp
        ret $2
halt:   cli
        hlt
        jmp halt
        .org 510
        .word 0xaa55

main:   line "equipment"
        int $0x11
        value %ax
        end
        line "memory"
        int $0x12
        value %ax
        mov $0x88, %ah
        int $0x15
        value %ax
        mov $0xe801, %ax
        int $0x15
        value %ax
        value %bx
        end

        xor %ebx, %ebx
1:      mov $0xe820, %eax
        mov $0x534d4150, %edx
        mov $20, %ecx
        mov $SCRATCH, %di
        int $0x15
        jc 2f
        push %ebx
        line "map"
        value SCRATCH + 2
        value SCRATCH
        value SCRATCH + 10
        value SCRATCH + 8
        value SCRATCH + 16
        end
        pop %ebx
        test %ebx, %ebx
        jnz 1b
2:
        line "segment"                  /* of the extended BIOS data area */
        mov $0xc1, %ah
        int $0x15
        push %es
        call hex
        push $0
        pop %es
        mov 0x40e, %ax
        value %ax
        end

        line "a20"
        mov $0x2400, %ax
        int $0x15
        mov $0x2402, %ax
        int $0x15
        value %ax
        mov $0x2401, %ax
        int $0x15
        mov $0x2402, %ax
        int $0x15
        value %ax
        end

        line "move"                     /* up to 1.5 MiB and back to another place */
        movw $MARK, SCRATCH
        movw $0, SCRATCH + 2
        movw $SCRATCH, 0x10 + 2 + table
        movl $0x93180000, 0x18 + 2 + table
        call move
        value %ax
        movl $0x93180000, 0x10 + 2 + table
        movl $0x93000000 + SCRATCH + 2, 0x18 + 2 + table
        call move
        value SCRATCH + 2
        end

        line "geometry"
        mov $0x08, %ah
        mov disk, %dl
        int $0x13
        value %cx
        value %dx
        push $0
        pop %es
        mov $0x15, %ah
        mov disk, %dl
        int $0x13
        value %ax
        value %dx
        movw $26, SCRATCH
        mov $SCRATCH, %si
        mov $0x48, %ah
        mov disk, %dl
        int $0x13
        value SCRATCH + 16
        value SCRATCH + 24
        end

        line "sectors"                  /* the last word of the first sector, and one that comes back as it was written */
        mov $0x0201, %ax
        mov $1, %cx
        xor %dh, %dh
        mov disk, %dl
        mov $SCRATCH, %bx
        int $0x13
        value %ax
        value SCRATCH + 510
        movw $MARK, SCRATCH
        mov $0x0301, %ax
        mov $21, %cx
        mov $SCRATCH, %bx
        int $0x13
        movw $0, SCRATCH
        mov $0x0201, %ax
        mov $SCRATCH, %bx
        int $0x13
        value SCRATCH
        end

        line "errors"                   /* cylinder 1023, no such disk, no such function, and the status of the last */
        mov $0x0201, %ax
        mov $0xffc1, %cx
        xor %dh, %dh
        mov disk, %dl
        mov $SCRATCH, %bx
        int $0x13
        value %ax
        mov $0x0201, %ax
        mov $1, %cx
        mov $0x9f, %dl
        int $0x13
        value %ax
        mov $0x7700, %ax
        mov disk, %dl
        int $0x13
        value %ax
        mov $0x01, %ah
        mov disk, %dl
        int $0x13
        value %ax
        end

        line "ticks"                    /* of a tenth of a second */
        xor %ah, %ah
        int $0x1a
        mov %dx, %di
        mov $0x86, %ah
        mov $1, %cx
        mov $0x86a0, %dx
        int $0x15
        xor %ah, %ah
        int $0x1a
        sub %di, %dx
        value %dx
        end
        line "clock"
        mov $0x02, %ah
        int $0x1a
        and $0xff00, %dx
        value %cx
        mov $0x04, %ah
        int $0x1a
        value %cx
        value %dx
        end

        line "pci"                      /* version, where the host bridge is, its class */
        mov $0xb101, %ax
        int $0x1a
        value %bx
        mov $0xb102, %ax
        mov $0x29c0, %cx
        mov $0x8086, %dx
        xor %si, %si
        int $0x1a
        value %ax
        value %bx
        mov $0xb109, %ax
        xor %bx, %bx
        mov $10, %di
        int $0x1a
        value %cx
        mov $0xb102, %ax
        mov $0x1234, %cx
        mov $0x8086, %dx
        int $0x1a
        value %ax
        end

        line "keys"                     /* what is there, and four that are waited for */
        mov $0x01, %ah
        int $0x16
        pushf
        pop %ax
        and $0x40, %ax
        value %ax
        mov $4, %cx
3:      mov $0x10, %ah
        int $0x16
        value %ax
        loop 3b
        end

        line "screen"                   /* mode, cursor, a character with its attribute */
        mov $0x0f, %ah
        int $0x10
        value %ax
        mov $0x02, %ah
        mov $0x1802, %dx
        xor %bh, %bh
        int $0x10
        mov $0x09, %ah
        mov $'A', %al
        mov $0x001e, %bx
        mov $3, %cx
        int $0x10
        mov $0x03, %ah
        int $0x10
        mov %dx, %di
        mov $0x08, %ah
        int $0x10
        mov %ax, %bp
        mov $0x0601, %ax                /* one line up: what was in line 24 is in line 23 */
        mov $0x07, %bh
        xor %cx, %cx
        mov $0x184f, %dx
        int $0x10
        mov $0x02, %ah
        mov $0x1702, %dx
        xor %bh, %bh
        int $0x10
        mov $0x08, %ah
        int $0x10
        push %ax
        mov $0x02, %ah
        mov $0x0a00, %dx
        int $0x10
        pop %ax
        value %di
        value %bp
        value %ax
        mov $0x4f00, %ax
        int $0x10
        value %ax
        end
        mov $0x1301, %ax
        mov $0x0007, %bx
        mov $4, %cx
        mov $0x0c05, %dx
        mov $text, %bp
        int $0x10
        jmp halt
text:   .ascii "done"

move:   mov $table, %si
        mov $1, %cx
        mov $0x87, %ah
        int $0x15
        ret
table:  .fill 16, 1, 0
        .word 0xffff, 0, 0x9300, 0
        .word 0xffff, 0, 0x9300, 0
        .fill 16, 1, 0
        .org (SECTORS + 1) * 512
