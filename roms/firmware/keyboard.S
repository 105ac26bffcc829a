/* IRQ 1, which puts keys into the buffer of the BIOS data area, and INT 16h, which takes them out. */
#include "firmware.h"
        .code16
        .text
#define RIGHT_SHIFT 0x01
#define SHIFT 0x03
#define CTRL 0x04
#define ALT 0x08
#define SCROLL 0x10
#define NUM 0x20
#define CAPS 0x40
#define INSERT 0x80
#define EXTENDED_NEXT 0x02              /* in KEY_FLAGS: the last byte was E0h */
        .globl int09, int16, store, plain, shifted
int09:  enter_service
        inb $0x60, %al
        mov $0x4f, %ah
        stc
        int $0x15                       /* somebody may want another key, or none */
        jnc 1f
        call key
1:      mov $0x20, %al
        outb %al, $0x20
        leave_service

/* Takes the scan code %al. */
key:    cmp $0xe0, %al
        jne 1f
        orb $EXTENDED_NEXT, KEY_FLAGS
        ret
1:      mov KEY_FLAGS, %bl
        andb $~EXTENDED_NEXT, KEY_FLAGS
        cmp $0xe1, %al
        je 9f
        mov $modifiers, %si
2:      mov %cs:(%si), %dx              /* scan code, bit */
        test %dl, %dl
        jz 4f
        add $2, %si
        mov %al, %cl
        and $0x7f, %cl
        cmp %dl, %cl
        jne 2b
        cmp $0x2a, %cl
        jb 3f
        cmp $0x37, %cl
        ja 3f
        test $EXTENDED_NEXT, %bl        /* E0 2A and E0 36 go with other keys */
        jnz 9f
3:      test $0x80, %al
        jnz 5f
        test $SCROLL | NUM | CAPS, %dh
        jnz 6f
        or %dh, SHIFTS
        ret
5:      test $SCROLL | NUM | CAPS, %dh
        jnz 9f
        not %dh
        and %dh, SHIFTS
        ret
6:      xor %dh, SHIFTS
9:      ret
4:      test $0x80, %al
        jnz 9b
        mov SHIFTS, %bh
        cmp $0x53, %al
        jne 7f
        and $CTRL | ALT, %bh
        cmp $CTRL | ALT, %bh
        je restart
        mov SHIFTS, %bh
7:      call translate
        test %ax, %ax
        jz 9b
        jmp store
restart:
        movw $0x1234, 0x72
        mov $0xfe, %al
        outb %al, $0x64
8:      hlt
        jmp 8b
modifiers:
        .byte 0x36, RIGHT_SHIFT, 0x2a, 0x02, 0x1d, CTRL, 0x38, ALT, 0x46, SCROLL, 0x45, NUM, 0x3a, CAPS, 0, 0

/* Key %al under the shifts %bh, extended by bit 1 of %bl, as INT 16h gives it in %ax; 0 for none. */
translate:
        mov %al, %ah
        cmp $0x39, %al
        jbe letters
        cmp $0x44, %al
        jbe function_key
        cmp $0x57, %al
        je f11
        cmp $0x58, %al
        je f11
        cmp $0x47, %al
        jb none
        cmp $0x53, %al
        ja none
        test $EXTENDED_NEXT, %bl
        jnz grey
        cmp $0x4a, %al
        je pad_sign
        cmp $0x4e, %al
        je pad_sign
        test $ALT, %bh
        jnz none
        test $NUM, %bh
        jz 1f
        test $SHIFT, %bh
        jz 2f
        jmp 3f
1:      test $SHIFT, %bh
        jz 3f
2:      movzbw %ah, %si
        mov %cs:pad - 0x47(%si), %al
        ret
3:      xor %al, %al
        ret
grey:   mov $0xe0, %al
        test $ALT, %bh
        jz 1f
        add $0x50, %ah                  /* Alt with Home .. Delete: 97h .. A3h */
        xor %al, %al
1:      ret
pad_sign:
        mov $'-', %al
        cmp $0x4a, %ah
        je 1f
        mov $'+', %al
1:      ret
none:   xor %ax, %ax
        ret
function_key:                           /* F1 3Bh; with Shift from 54h, Ctrl 5Eh, Alt 68h on */
        xor %al, %al
        cmp $0x3a, %ah
        je none
        test $ALT, %bh
        jz 1f
        add $0x2d, %ah
        ret
1:      test $CTRL, %bh
        jz 2f
        add $0x23, %ah
        ret
2:      test $SHIFT, %bh
        jz 3f
        add $0x19, %ah
3:      ret
f11:    xor %al, %al                    /* F11 85h; with Shift from 87h, Ctrl 89h, Alt 8Bh on */
        add $0x2e, %ah
        test $ALT, %bh
        jz 1f
        add $6, %ah
        ret
1:      test $CTRL, %bh
        jz 2f
        add $4, %ah
        ret
2:      test $SHIFT, %bh
        jz 3f
        add $2, %ah
3:      ret
letters:
        movzbw %al, %si
        test $ALT, %bh
        jnz alt
        mov %cs:plain(%si), %al
        test $EXTENDED_NEXT, %bl
        jnz grey_letter
        test $CTRL, %bh
        jnz ctrl
        test $SHIFT, %bh
        jz 1f
        mov %cs:shifted(%si), %al
        cmp $0x0f, %ah
        jne 1f
        xor %al, %al                    /* Shift with Tab */
1:      test $CAPS, %bh
        jz 2f
        mov %al, %cl
        or $0x20, %cl
        sub $'a', %cl
        cmp $26, %cl
        jae 2f
        xor $0x20, %al
2:      test %al, %al
        jnz 3f
        cmp $0x0f, %ah
        jne none
3:      ret
grey_letter:                            /* Enter and / of the number pad */
        mov $0xe0, %ah
        cmp $0x0d, %al
        je 3b
        cmp $'/', %al
        je 3b
        jmp none
alt:    cmp $0x02, %ah
        jb 1f
        cmp $0x0d, %ah
        ja 1f
        add $0x76, %ah                  /* Alt with 1 .. =: 78h .. 83h */
1:      cmpb $0, %cs:plain(%si)
        je none
        xor %al, %al
        ret
ctrl:   cmp $0x03, %ah
        jne 1f
        mov $0x0300, %ax                /* Ctrl with 2 is NUL */
        ret
1:      cmp $0x07, %ah
        jne 2f
        mov $0x1e, %al                  /* with 6 */
        ret
2:      cmp $0x0c, %ah
        jne 3f
        mov $0x1f, %al                  /* with - */
        ret
3:      cmp $0x0e, %ah
        jne 4f
        mov $0x7f, %al                  /* with Backspace */
        ret
4:      cmp $0x1c, %ah
        jne 5f
        mov $0x0a, %al                  /* with Enter */
        ret
5:      cmp $0x0f, %ah
        jne 6f
        mov $0x9400, %ax                /* with Tab */
        ret
6:      cmp $' ', %al
        je 7f
        cmp $0x1b, %al
        je 7f
        cmp $'[', %al
        jb none
        and $0x1f, %al
7:      ret
plain:  .byte 0, 0x1b
        .ascii "1234567890-="
        .byte 0x08, 0x09
        .ascii "qwertyuiop[]"
        .byte 0x0d, 0
        .ascii "asdfghjkl;'`"
        .byte 0
        .ascii "\\zxcvbnm,./"
        .byte 0, '*', 0, ' '
shifted:
        .byte 0, 0x1b
        .ascii "!@#$%^&*()_+"
        .byte 0x08, 0x09
        .ascii "QWERTYUIOP{}"
        .byte 0x0d, 0
        .ascii "ASDFGHJKL:\"~"
        .byte 0
        .ascii "|ZXCVBNM<>?"
        .byte 0, '*', 0, ' '
pad:    .ascii "789-456+1230."

/* Puts the key %ax into the buffer, if there is room. Carry where there is none. */
store:  mov KEY_TAIL, %si
        mov %si, %di
        call next_key
        cmp KEY_HEAD, %di
        je 1f
        mov %ax, (%si)
        mov %di, KEY_TAIL
        clc
        ret
1:      stc
        ret
next_key:
        add $2, %di
        cmp KEY_END, %di
        jb 1f
        mov KEY_START, %di
1:      ret

        service int16, functions
functions:
        function 0x00, read_key
        function 0x01, peek_key
        function 0x02, shifts
        function 0x03, nothing
        function 0x05, push_key
        function 0x09, abilities
        function 0x10, read_key
        function 0x11, peek_key
        function 0x12, shifts
        otherwise nothing
nothing:
        ret
read_key:
        call peek
        jnz 1f
        sti
        hlt
        cli
        jmp read_key
1:      mov %di, KEY_HEAD
        jmp give
peek_key:
        orb $ZERO, R_FLAGS(%bp)
        sti
        nop
        cli
        call peek
        jz nothing
        andb $~ZERO, R_FLAGS(%bp)
/* Functions 0 and 1 know none of the marks of grey keys. */
give:   testb $0x10, R_AH(%bp)
        jnz 2f
        cmp $0xe0, %al
        jne 1f
        xor %al, %al
1:      cmp $0xe0, %ah
        jne 2f
        mov $0x1c, %ah
        cmp $0x0d, %al
        je 2f
        mov $0x35, %ah
2:      mov %ax, R_AX(%bp)
        ret
/* The first key in %ax with DI behind it; the zero flag where there is none. What came on the line counts as typed. */
peek:   call type_line
        mov KEY_HEAD, %si
        mov %si, %di
        cmp KEY_TAIL, %si
        je 1f
        call next_key
        mov (%si), %ax
        or $1, %si                      /* the zero flag is off */
1:      ret
shifts: mov SHIFTS, %al
        mov %al, R_AL(%bp)
        testb $0x10, R_AH(%bp)
        jz nothing
        mov SHIFTS_2, %ah
        mov %ah, R_AH(%bp)
        ret
push_key:
        mov R_CX(%bp), %ax
        call store
        movb $0, R_AL(%bp)
        jnc nothing
        movb $1, R_AL(%bp)
        ret
abilities:
        movb $0x20, R_AL(%bp)           /* functions 10h, 11h and 12h */
        ret
