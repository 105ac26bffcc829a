/*
 * What stays in the guest's view: INT 13h with the first two disks swapped, so that the guest finds its own as 80h, and
 * INT 15h without the hypervisor's memory. The guest can read and run this page and cannot write to it.
 */
#include "chain.h"
#define DISK 0x80
#define PARAMETERS 0x08
#define DISK_TYPE 0x15
#define SMAP 0x534d4150
        .code16
        .section .resident, "awx"
        .globl int13, int15, old13, old15, map, map_count
int13:  cmp $DISK, %dl
        jb 2f
        cmp $DISK + 1, %dl
        ja 2f
        push %ax
        xor $1, %dl
        pushf
        lcall *%cs:old13 - BASE
        push %bp
        mov %sp, %bp
        push %ax
        pushf
        pop %ax
        mov %al, 8(%bp)                 /* the flags that the caller gets; the interrupt flag is his own */
        pop %ax
        cmpb $PARAMETERS, 3(%bp)        /* these two answer in DX */
        je 1f
        cmpb $DISK_TYPE, 3(%bp)
        je 1f
        xor $1, %dl
1:      pop %bp
        lea 2(%esp), %esp
        iret
2:      ljmp *%cs:old13 - BASE

/* E820h answers from the map, the others as before: they speak of memory above 1 MiB. */
int15:  cmp $0xe820, %ax
        jne 3f
        cmp $SMAP, %edx
        jne 3f
        cmp %cs:map_count - BASE, %bx
        jae 4f
        push %ds
        push %si
        push %di
        push %cs
        pop %ds
        imul $MAP_ENTRY, %bx, %si
        add $(map - BASE), %si
        mov $MAP_ENTRY, %ecx
        cld
        rep movsb
        pop %di
        pop %si
        pop %ds
        inc %ebx
        cmp %cs:map_count - BASE, %bx
        jb 1f
        xor %ebx, %ebx
1:      mov $SMAP, %eax
        mov $MAP_ENTRY, %ecx
        push %bp
        mov %sp, %bp
        andb $0xfe, 6(%bp)
        pop %bp
        iret
4:      push %bp
        mov %sp, %bp
        orb $1, 6(%bp)
        pop %bp
        mov $0x86, %ah
        iret
3:      ljmp *%cs:old15 - BASE

        .align 4
old13:  .long 0
old15:  .long 0
map_count:
        .word 0
        .align 4
map:    .skip MAP_ENTRIES * MAP_ENTRY
        .align 4096
