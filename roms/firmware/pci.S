/* INT 1Ah, functions B101h on ("PCI BIOS Specification", revision 2.1). There is one bus. */
#include "firmware.h"
        .code16
        .text
#define NOT_SUPPORTED 0x81
#define BAD_VENDOR 0x83
#define NOT_FOUND 0x86
#define BAD_REGISTER 0x87
        .globl pci_bios
pci_bios:
        mov $0x80000000, %eax           /* the address port keeps its enable bit where there is a PCI bus */
        mov $0xcf8, %dx
        outl %eax, %dx
        inl %dx, %eax
        cmp $0x80000000, %eax
        mov $NOT_SUPPORTED, %ah
        jne fail
        mov R_AL(%bp), %al
        mov $functions, %si
        jmp dispatch
functions:
        function 0x01, present
        function 0x02, find_device
        function 0x03, find_class
        function 0x08, read_byte
        function 0x09, read_word
        function 0x0a, read_dword
        function 0x0b, write_byte
        function 0x0c, write_word
        function 0x0d, write_dword
        otherwise not_supported

not_supported:
        mov $NOT_SUPPORTED, %ah
        jmp fail
present:
        movw $0x0001, R_AX(%bp)         /* mechanism 1 */
        movw $0x0210, R_BX(%bp)
        movb $0, R_CL(%bp)              /* the last bus */
        movl $0x20494350, R_DX(%bp)     /* "PCI " */
        jmp clear_carry

/* Register %cl of function %bx (bus, then device and function). */
read_config:
        call select
        inl %dx, %eax
        ret
select: movzwl %bx, %eax
        shl $8, %eax
        or $0x80000000, %eax
        mov %cl, %al
        and $0xfc, %al
        mov $0xcf8, %dx
        outl %eax, %dx
        mov $0xcfc, %dx
        ret

find_device:
        mov R_CX(%bp), %ax
        shl $16, %eax
        mov R_DX(%bp), %ax
        cmp $0xffff, %ax
        je bad_vendor
        mov %eax, %edi
        xor %cl, %cl
        xor %ch, %ch                    /* the low bits of the register that do not count */
        jmp find
bad_vendor:
        mov $BAD_VENDOR, %ah
        jmp fail
find_class:
        mov R_CX(%bp), %edi
        shl $8, %edi
        mov $8, %cl
        mov $8, %ch
/* The function of index SI whose register %cl is EDI, without its %ch low bits. */
find:   mov R_SI(%bp), %si
        xor %bx, %bx
1:      push %cx
        xor %cl, %cl
        call read_config
        pop %cx
        cmp $0xffff, %ax
        je 2f
        call read_config
        push %cx
        mov %ch, %cl
        shr %cl, %eax
        shl %cl, %eax
        pop %cx
        cmp %edi, %eax
        jne 2f
        dec %si
        js 3f
2:      inc %bl
        jnz 1b
        mov $NOT_FOUND, %ah
        jmp fail
3:      mov %bx, R_BX(%bp)
        jmp done

/* What follows takes the function from BX and the register from DI, which is a multiple of %ch plus 1. */
access: mov R_BX(%bp), %bx
        mov R_DI(%bp), %di
        test $0xff00, %di
        jnz 1f
        mov %di, %cx
        test %al, %cl
        jnz 1f
        call select
        and $3, %cx
        add %cx, %dx
        ret
1:      pop %ax                         /* not back to the caller */
        mov $BAD_REGISTER, %ah
        jmp fail
read_byte:
        mov $0, %al
        call access
        inb %dx, %al
        mov %al, R_CL(%bp)
        jmp done
read_word:
        mov $1, %al
        call access
        inw %dx, %ax
        mov %ax, R_CX(%bp)
        jmp done
read_dword:
        mov $3, %al
        call access
        inl %dx, %eax
        mov %eax, R_CX(%bp)
        jmp done
write_byte:
        mov $0, %al
        call access
        mov R_CL(%bp), %al
        outb %al, %dx
        jmp done
write_word:
        mov $1, %al
        call access
        mov R_CX(%bp), %ax
        outw %ax, %dx
        jmp done
write_dword:
        mov $3, %al
        call access
        mov R_CX(%bp), %eax
        outl %eax, %dx
done:   movb $0, R_AH(%bp)
        jmp clear_carry
