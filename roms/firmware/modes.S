/* INT 10h, function 0: modes 0 to 3 and 7 are text, 12h and 13h graphics (IBM "VGA", register values of the modes). */
#include "firmware.h"
        .code16
        .text
#define TEXT_SEG 0xb800
#define GRAPHICS_SEG 0xa000
#define VIDEO_CONTROL 0x87
/* A mode: number, columns, bytes of a page in units of 256, last row, lines of a character; then its registers. */
#define M_REGISTERS 5
#define SEQUENCER 4
#define CRTC 25
#define GRAPHICS 9
#define ATTRIBUTES 21
#define MODE_BYTES (M_REGISTERS + 1 + SEQUENCER + CRTC + GRAPHICS + ATTRIBUTES)
        .globl set_mode
set_mode:
        mov R_AL(%bp), %al
        and $0x7f, %al
        mov $modes, %si
        cmp $7, %al
        jne 1f
        mov $3, %al
1:      cmp $3, %al
        ja 2f
        or $1, %al                      /* those without colour burst look as those with it */
2:      cmp %al, %cs:(%si)
        je 3f
        add $MODE_BYTES, %si
        cmp $modes_end, %si
        jb 2b
        ret                             /* there is no such mode */
3:      mov R_AL(%bp), %al
        mov %al, %ah
        and $0x7f, %al
        mov %al, VIDEO_MODE
        and $0x80, %ah
        andb $0x7f, VIDEO_CONTROL
        or %ah, VIDEO_CONTROL
        mov %cs:1(%si), %al
        xor %ah, %ah
        mov %ax, COLUMNS
        mov %cs:2(%si), %ah
        xor %al, %al
        mov %ax, PAGE_BYTES
        mov %cs:3(%si), %al
        mov %al, LAST_ROW
        mov %cs:4(%si), %al
        xor %ah, %ah
        mov %ax, CHARACTER_LINES
        movw $0, PAGE_START
        movb $0, VIDEO_PAGE
        movw $0x0d0e, CURSOR_SHAPE
        push %ds
        pop %es
        mov $CURSORS, %di
        mov $8, %cx
        xor %ax, %ax
        rep stosw
        testb $1, %fs:HAS_VGA
        jz 4f
        push %si
        add $M_REGISTERS, %si
        call registers
        call color_table
        pop %si
        testb $0x80, VIDEO_CONTROL
        jnz 4f
        call clear
4:      jmp line_clear

/* Writes the registers at %cs:%si. */
registers:
        mov $0x1ce, %dx                 /* the display interface of Bochs is off */
        mov $4, %ax
        outw %ax, %dx
        inc %dx
        xor %ax, %ax
        outw %ax, %dx
        mov $0x3c2, %dx
        cs lodsb
        outb %al, %dx
        mov $0x3c4, %dx
        mov $1, %bx                     /* sequencer registers from 1 on */
        mov $SEQUENCER, %cx
        call indexed
        mov $0x3d4, %dx
        mov $0x0011, %ax                /* the lock of the first registers is off */
        outw %ax, %dx
        xor %bx, %bx
        mov $CRTC, %cx
        call indexed
        mov $0x3ce, %dx
        xor %bx, %bx
        mov $GRAPHICS, %cx
        call indexed
        mov $0x3da, %dx
        inb %dx, %al
        mov $0x3c0, %dx
        mov $ATTRIBUTES, %cx
        xor %ah, %ah
1:      mov %ah, %al
        outb %al, %dx
        cs lodsb
        outb %al, %dx
        inc %ah
        loop 1b
        mov $0x20, %al
        outb %al, %dx
        ret
indexed:
        mov %bl, %al
        outb %al, %dx
        inc %dx
        cs lodsb
        outb %al, %dx
        dec %dx
        inc %bl
        loop indexed
        ret

/* The first 64 colours: two thirds by bits 2 to 0 (red, green, blue) and one by 5 to 3; in mode 13h the 16 of text. */
color_table:
        mov $0x3c8, %dx
        xor %al, %al
        outb %al, %dx
        inc %dx
        xor %bx, %bx
1:      mov %bl, %ah
        cmpb $0x13, VIDEO_MODE
        jne 2f
        mov %cs:text_colors(%bx), %ah
2:      mov $3, %cx
3:      xor %al, %al
        test $4, %ah
        jz 4f
        add $42, %al
4:      test $0x20, %ah
        jz 5f
        add $21, %al
5:      outb %al, %dx
        shl $1, %ah
        loop 3b
        inc %bx
        cmpb $0x13, VIDEO_MODE
        jne 6f
        cmp $16, %bx
        je 7f
6:      cmp $64, %bx
        jb 1b
7:      ret
text_colors:
        .byte 0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f

clear:  mov $TEXT_SEG, %dx
        mov $0x0720, %ax
        mov $0x4000, %cx
        cmpb $7, VIDEO_MODE
        jbe 1f
        mov $GRAPHICS_SEG, %dx
        xor %ax, %ax
        mov $0x8000, %cx
1:      mov %dx, %es
        xor %di, %di
        rep stosw
        ret

modes:  .byte 0x01, 40, 0x08, 24, 16
        .byte 0x67, 0x08, 0x03, 0x00, 0x02
        .byte 0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00
        .byte 0x9c, 0x8e, 0x8f, 0x14, 0x1f, 0x96, 0xb9, 0xa3, 0xff
        .byte 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff
        .byte 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
        .byte 0x0c, 0x00, 0x0f, 0x08, 0x00

        .byte 0x03, 80, 0x10, 24, 16
        .byte 0x67, 0x00, 0x03, 0x00, 0x02
        .byte 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00
        .byte 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff
        .byte 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff
        .byte 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
        .byte 0x0c, 0x00, 0x0f, 0x08, 0x00

        .byte 0x12, 80, 0xa0, 29, 16
        .byte 0xe3, 0x01, 0x0f, 0x00, 0x06
        .byte 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00
        .byte 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff
        .byte 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff
        .byte 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
        .byte 0x01, 0x00, 0x0f, 0x00, 0x00

        .byte 0x13, 40, 0xfa, 24, 8
        .byte 0x63, 0x01, 0x0f, 0x00, 0x0e
        .byte 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00
        .byte 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff
        .byte 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff
        .byte 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f
        .byte 0x41, 0x00, 0x0f, 0x00, 0x00
modes_end:
