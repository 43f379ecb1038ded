/* SPDX-License-Identifier: MIT */

/* The AAPCS64 switch: the callee-saved registers (x19 to x28, the frame pointer x29, the link register
 * x30, and d8 to d15, of whose vectors only these halves are kept by a callee) go onto the stack that is
 * left, and come from the stack that is entered. The floating-point modes (fpcr) are shared by the
 * tasks of a thread, like its thread-locals. x18 is the platform's.
 *
 * The last instruction is `ret`, which the processor's return predictor expects of what was called by `bl`.
 * The object says nothing of branch targets (BTI) or guarded stacks (GCS), so the linker turns
 * neither on for a program with it. */

#if defined(__aarch64__) && defined(__LP64__) && defined(__ELF__) && !defined(KEEL_UCONTEXT)

        .text

/* void keel__switch_stack(void **save_sp, void *load_sp) */
        .globl  keel__switch_stack
        .hidden keel__switch_stack
        .type   keel__switch_stack, %function
        .p2align 4
keel__switch_stack:
        .cfi_startproc
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        .cfi_same_value x19
        .cfi_same_value x20
        .cfi_same_value x21
        .cfi_same_value x22
        .cfi_same_value x23
        .cfi_same_value x24
        .cfi_same_value x25
        .cfi_same_value x26
        .cfi_same_value x27
        .cfi_same_value x28
        .cfi_same_value x29
        .cfi_same_value x30
        ret
        .cfi_endproc
        .size   keel__switch_stack, .-keel__switch_stack

/* The first return of a new stack comes here: x19 holds the argument, x20 the function, and the frame
 * pointer is 0. For unwinders this is the outermost frame. */
        .globl  keel__switch_enter
        .hidden keel__switch_enter
        .type   keel__switch_enter, %function
        .p2align 4
keel__switch_enter:
        .cfi_startproc
        .cfi_undefined x30
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   keel__switch_enter, .-keel__switch_enter

#endif

#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
