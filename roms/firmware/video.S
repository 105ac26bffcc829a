/*
 * INT 10h: text on the VGA, and on the terminal at the first serial port, which is all that a machine without a VGA has.
 * Graphics modes can be set; there is no font to write in them. Modes are in modes.S.
 */
#include "firmware.h"
        .code16
        .text
#define TEXT_SEG 0xb800
#define VIDEO_CONTROL 0x87
        .globl page_cursor, set_crtc_word
        service int10, functions
functions:
        function 0x00, set_mode
        function 0x01, set_shape
        function 0x02, set_cursor
        function 0x03, get_cursor
        function 0x05, set_page
        function 0x06, scroll_up
        function 0x07, scroll_down
        function 0x08, read_cell
        function 0x09, write_cells
        function 0x0a, write_characters
        function 0x0e, teletype
        function 0x0f, get_mode
        function 0x10, palette
        function 0x11, font
        function 0x12, alternate
        function 0x13, write_string
        function 0x1a, combination
        otherwise nothing
nothing:
        ret

/* The zero flag is off where characters can be written to video memory; ES is there. */
text_memory:
        push %ax
        testb $1, %fs:HAS_VGA
        jz 1f
        mov VIDEO_MODE, %al
        cmp $7, %al
        je 2f
        cmp $3, %al
        ja 3f
2:      mov $TEXT_SEG, %ax
        mov %ax, %es
        or %ax, %ax
        jmp 1f
3:      xor %al, %al
1:      pop %ax
        ret

/* The offset in %di of column %dl, row %dh of page %bh. */
cell:   push %ax
        push %dx
        movzbw %bh, %ax
        mulw PAGE_BYTES
        mov %ax, %di
        pop %dx
        mov %dh, %al
        mulb COLUMNS
        add %dl, %al
        adc $0, %ah
        shl $1, %ax
        add %ax, %di
        pop %ax
        ret
/* The cursor of page %bh is the word at %di. */
page_cursor:
        movzbw %bh, %di
        and $7, %di
        shl $1, %di
        add $CURSORS, %di
        ret
/* CRTC registers %al and %al + 1, the high byte first, become %bx. */
set_crtc_word:
        testb $1, %fs:HAS_VGA
        jz 1f
        mov CRTC_PORT, %dx
        mov %bh, %ah
        outw %ax, %dx
        inc %al
        mov %bl, %ah
        outw %ax, %dx
1:      ret
/* Puts the hardware's cursor where the cursor of the shown page is. */
show_cursor:
        mov VIDEO_PAGE, %bh
        call page_cursor
        mov (%di), %dx
        call cell
        mov %di, %bx
        shr $1, %bx
        mov $0x0e, %al
        jmp set_crtc_word

set_shape:
        mov R_CX(%bp), %bx
        mov %bx, CURSOR_SHAPE
        mov $0x0a, %al
        jmp set_crtc_word
set_cursor:
        mov R_BH(%bp), %bh
        call page_cursor
        mov R_DX(%bp), %dx
        mov %dx, (%di)
        jmp show_cursor
get_cursor:
        mov R_BH(%bp), %bh
        call page_cursor
        mov (%di), %dx
        mov %dx, R_DX(%bp)
        mov CURSOR_SHAPE, %cx
        mov %cx, R_CX(%bp)
        ret
set_page:
        mov R_AL(%bp), %al
        and $7, %al
        mov %al, VIDEO_PAGE
        xor %ah, %ah
        mulw PAGE_BYTES
        mov %ax, PAGE_START
        mov %ax, %bx
        shr $1, %bx
        mov $0x0c, %al
        call set_crtc_word
        jmp show_cursor
get_mode:
        mov VIDEO_MODE, %al
        mov VIDEO_CONTROL, %ah
        and $0x80, %ah                  /* set without clearing memory */
        or %ah, %al
        mov %al, R_AL(%bp)
        mov COLUMNS, %al
        mov %al, R_AH(%bp)
        mov VIDEO_PAGE, %al
        mov %al, R_BH(%bp)
        ret

/* Row %bl of the caller's window in the shown page: its offset in %di and its width in %cx. */
row:    mov %bl, %al
        mulb COLUMNS
        movzbw R_CL(%bp), %dx
        add %dx, %ax
        shl $1, %ax
        add PAGE_START, %ax
        mov %ax, %di
        mov R_DL(%bp), %cl
        sub R_CL(%bp), %cl
        xor %ch, %ch
        inc %cx
        ret
scroll_up:
        mov R_CH(%bp), %bl
        mov $1, %bh
        jmp scroll
scroll_down:
        mov R_DH(%bp), %bl
        mov $-1, %bh
/* From row BL on in steps of BH. */
scroll: push R_AX(%bp)
        push R_DX(%bp)
        call window
        pop R_DX(%bp)
        pop R_AX(%bp)
        ret
window: mov COLUMNS, %al
        dec %al
        cmp %al, R_DL(%bp)
        jbe 1f
        mov %al, R_DL(%bp)
1:      mov LAST_ROW, %al
        cmp %al, R_DH(%bp)
        jbe 2f
        mov %al, R_DH(%bp)
2:      mov R_DH(%bp), %al
        sub R_CH(%bp), %al
        jb nothing
        inc %al                         /* rows */
        mov R_DL(%bp), %ah
        sub R_CL(%bp), %ah
        jb nothing
        cmp %al, R_AL(%bp)
        ja 3f
        cmpb $0, R_AL(%bp)
        jne 4f
3:      mov %al, R_AL(%bp)              /* the whole window */
        cmpw $0, R_CX(%bp)
        jne 4f
        mov COLUMNS, %ah
        dec %ah
        cmp %ah, R_DL(%bp)
        jne 4f
        mov LAST_ROW, %ah
        cmp %ah, R_DH(%bp)
        jne 4f
        push %ax
        call line_clear
        pop %ax
4:      call text_memory
        jz nothing
        mov %al, %ah                    /* rows that are left */
5:      push %ax
        call row
        pop %ax
        push %ax
        cmp R_AL(%bp), %ah
        jbe 6f
        push %di
        push %bx
        mov R_AL(%bp), %al
        test %bh, %bh
        jns 7f
        neg %al
7:      add %al, %bl
        call row
        pop %bx
        mov %di, %si
        pop %di
        push %ds
        push %es
        pop %ds
        rep movsw
        pop %ds
        jmp 8f
6:      mov $' ', %al
        mov R_BH(%bp), %ah
        rep stosw
8:      pop %ax
        add %bh, %bl
        dec %ah
        jnz 5b
        ret

read_cell:
        movw $0, R_AX(%bp)
        call text_memory
        jz nothing
        mov R_BH(%bp), %bh
        call page_cursor
        mov (%di), %dx
        call cell
        mov %es:(%di), %ax
        mov %ax, R_AX(%bp)
        ret
write_characters:
        xor %si, %si
        jmp write
write_cells:
        mov $1, %si
/* CX times a character from the cursor on, which stays; SI says whether the attribute is written as well. */
write:  mov R_BH(%bp), %bh
        call page_cursor
        mov (%di), %dx
        call cell
        mov R_CX(%bp), %cx
        test %cx, %cx
        jz nothing
        mov R_AL(%bp), %al
        mov R_BL(%bp), %ah
        call text_memory
        jz 3f
        push %cx
1:      mov %al, %es:(%di)
        test %si, %si
        jz 2f
        mov %ah, %es:1(%di)
2:      add $2, %di
        loop 1b
        pop %cx
3:      cmp VIDEO_PAGE, %bh
        jne nothing
        movzbw COLUMNS, %bx             /* the terminal has the part on this line */
        sub %dl, %bl
        cmp %bx, %cx
        jbe 4f
        mov %bx, %cx
4:      cmp $80, %cx
        ja nothing
        call line_held
        call printable
        cmp $1, %cx
        jne 7f
        mov %al, %fs:HELD               /* many write a character with its attribute, and then by teletype */
        mov %dx, %fs:HELD_AT
        ret
7:      call line_at
        add %cl, %dl
5:      call line_out
        loop 5b
        cmp COLUMNS, %dl
        jb 6f
        mov $-1, %dx                    /* nobody knows where the terminal stands after its last column */
6:      mov %dx, %fs:SERIAL_AT
        ret

/* %al as a terminal of ASCII shows it. */
printable:
        cmp $' ', %al
        jb 4f
        cmp $0x7f, %al
        jb 5f
        cmp $0xb3, %al
        jb 4f
        je 1f
        cmp $0xba, %al
        je 1f
        cmp $0xc4, %al
        je 2f
        cmp $0xcd, %al
        je 2f
        cmp $0xdb, %al
        jb 3f
        cmp $0xdf, %al
        ja 4f
        mov $'#', %al
        ret
1:      mov $'|', %al
        ret
2:      mov $'-', %al
        ret
3:      mov $'+', %al
        ret
4:      cmp $0, %al
        je 6f
        mov $'?', %al
5:      ret
6:      mov $' ', %al
        ret

teletype:
        mov R_AL(%bp), %al
        xor %ah, %ah
/* Writes %al at the cursor of the shown page, with the attribute %bl where %ah is 1. */
put:    push %bx
        push %ax
        mov VIDEO_PAGE, %bh
        call page_cursor
        mov (%di), %dx
        push %di
        cmp %fs:HELD_AT, %dx
        jne 2f
        movb $0, %fs:HELD               /* this takes its place */
2:      call line_held
        call line_at
        cmp $' ', %al
        jb 1f
        call printable
1:      call line_out
        call cell
        pop %si                         /* the cursor's place */
        pop %ax
        pop %bx
        cmp $0x07, %al
        je 9f
        cmp $0x08, %al
        je back
        cmp $0x0a, %al
        je feed
        cmp $0x0d, %al
        je return
        call text_memory
        jz 2f
        mov %al, %es:(%di)
        test %ah, %ah
        jz 2f
        mov %bl, %es:1(%di)
2:      inc %dl
        cmp COLUMNS, %dl
        jb moved
        xor %dl, %dl
feed:   inc %dh
        cmp LAST_ROW, %dh
        jbe moved
        mov LAST_ROW, %dh
        push %dx
        push %si
        call text_memory
        jz 3f
        mov PAGE_START, %di
        push %ax
        movzbw COLUMNS, %ax
        mulb LAST_ROW
        shl $1, %ax
        add %ax, %di
        pop %ax
        mov %es:1(%di), %bh             /* the new line looks as the last one begins */
        jmp 4f
3:      mov $7, %bh
4:      mov $0x0601, %ax
        xor %cx, %cx
        mov COLUMNS, %dl
        dec %dl
        mov LAST_ROW, %dh
        pushf
        push %cs
        call int10
        pop %si
        pop %dx
        jmp moved
back:   sub $1, %dl
        jae moved
return: xor %dl, %dl
moved:  mov %dx, (%si)
        mov %dx, %fs:SERIAL_AT
        jmp show_cursor
9:      ret

write_string:
        mov R_CX(%bp), %cx
        test %cx, %cx
        jz nothing
        mov R_BH(%bp), %bh
        call page_cursor
        push (%di)
        push %di
        mov R_DX(%bp), %dx
        mov %dx, (%di)
        mov VIDEO_PAGE, %al
        push %ax
        mov %bh, VIDEO_PAGE
        mov R_BL(%bp), %bl
        mov R_BP(%bp), %si
1:      mov R_ES(%bp), %es
        mov %es:(%si), %al
        inc %si
        testb $2, R_AL(%bp)             /* each character has its attribute behind it */
        jz 2f
        mov %es:(%si), %bl
        inc %si
2:      mov $1, %ah
        push %bx
        push %cx
        push %si
        call put
        pop %si
        pop %cx
        pop %bx
        loop 1b
        pop %ax
        mov %al, VIDEO_PAGE
        pop %di
        pop %ax
        testb $1, R_AL(%bp)             /* the cursor goes along */
        jnz 4f
        mov %ax, (%di)
4:      jmp show_cursor

/* The palette: 00h a register, 10h a colour, 12h colours, 15h and 17h read them. */
palette:
        testb $1, %fs:HAS_VGA
        jz nothing
        mov R_AL(%bp), %al
        mov $palettes, %si
        jmp dispatch
palettes:
        function 0x00, set_attribute
        function 0x03, set_blinking
        function 0x10, set_color
        function 0x12, set_colors
        function 0x15, get_color
        function 0x17, get_colors
        otherwise nothing
/* Attribute register %bl becomes %bh. */
attribute:
        mov $0x3da, %dx
        inb %dx, %al
        mov $0x3c0, %dx
        mov %bl, %al
        outb %al, %dx
        mov %bh, %al
        outb %al, %dx
        mov $0x20, %al                  /* the picture is on again */
        outb %al, %dx
        ret
set_attribute:
        mov R_BX(%bp), %bx
        jmp attribute
set_blinking:
        mov $0x0c, %bh
        testb $1, R_BL(%bp)
        jnz 1f
        mov $0x04, %bh
1:      mov $0x10, %bl
        jmp attribute
set_color:
        mov $0x3c8, %dx
        mov R_BL(%bp), %al
        outb %al, %dx
        inc %dx
        mov R_DH(%bp), %al
        outb %al, %dx
        mov R_CH(%bp), %al
        outb %al, %dx
        mov R_CL(%bp), %al
        outb %al, %dx
        ret
get_color:
        mov $0x3c7, %dx
        mov R_BL(%bp), %al
        outb %al, %dx
        mov $0x3c9, %dx
        inb %dx, %al
        mov %al, R_DH(%bp)
        inb %dx, %al
        mov %al, R_CH(%bp)
        inb %dx, %al
        mov %al, R_CL(%bp)
        ret
set_colors:
        mov $0x3c8, %dx
        call colors
        jcxz 1f
        mov R_ES(%bp), %ds
        rep outsb
1:      ret
get_colors:
        mov $0x3c7, %dx
        call colors
        jcxz 1f
        mov %si, %di
        mov R_ES(%bp), %es
        rep insb
1:      ret
/* CX colours from BX on at ES:DX: how many bytes in %cx, where in %si, and the port in %dx. */
colors: mov R_BL(%bp), %al
        outb %al, %dx
        mov $0x3c9, %dx
        mov R_CX(%bp), %cx
        mov %cx, %ax
        add %cx, %cx
        add %ax, %cx
        mov R_DX(%bp), %si
        ret

font:   cmpb $0x30, R_AL(%bp)
        jne nothing
        xor %ax, %ax
        mov %ax, %es
        mov %es:4 * 0x43, %eax          /* wherever somebody put one */
        mov %ax, R_BP(%bp)
        shr $16, %eax
        mov %ax, R_ES(%bp)
        mov CHARACTER_LINES, %ax
        mov %ax, R_CX(%bp)
        mov LAST_ROW, %al
        mov %al, R_DL(%bp)
        ret
alternate:
        cmpb $0x10, R_BL(%bp)
        jne nothing
        testb $1, %fs:HAS_VGA
        jz nothing
        movw $0x0003, R_BX(%bp)         /* colour, 256 KiB */
        movw $0x0009, R_CX(%bp)
        ret
combination:
        testb $1, %fs:HAS_VGA
        jz nothing
        cmpb $0, R_AL(%bp)
        jne nothing
        movb $0x1a, R_AL(%bp)
        movw $0x0008, R_BX(%bp)         /* a VGA with a colour screen, and no other */
        ret
