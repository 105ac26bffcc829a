/* INT 18h and 19h: the first sector of the first disk that has a boot sector, at 0000:7C00 with the disk in DL. */
#include "firmware.h"
        .code16
        .text
        .globl boot, int18
boot:   cli
        xor %ax, %ax
        mov %ax, %ss
        mov $STACK_TOP, %sp
        mov %ax, %ds
        mov %ax, %es
        cld
        sti
        mov $0x80, %dl
1:      mov $0x0201, %ax
        mov $0x0001, %cx
        xor %dh, %dh
        mov $STACK_TOP, %bx
        push %dx
        int $0x13
        pop %dx
        jc 2f
        cmpw $0xaa55, STACK_TOP + 510
        je 3f
2:      inc %dl
        push $BDA_SEG
        pop %ds
        mov 0x75, %al
        xor %bx, %bx
        mov %bx, %ds
        add $0x80, %al
        cmp %al, %dl
        jb 1b
int18:  push %cs
        pop %ds
        mov $nothing, %si
4:      lodsb
        test %al, %al
        jz 5f
        mov $0x0e, %ah
        xor %bx, %bx
        int $0x10
        jmp 4b
5:      cli
        hlt
        jmp 5b
3:      xor %ax, %ax
        xor %bx, %bx
        xor %cx, %cx
        xor %dh, %dh
        xor %si, %si
        xor %di, %di
        ljmp $0, $STACK_TOP
nothing:
        .asciz "No bootable disk.\r\n"
