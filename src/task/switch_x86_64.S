/* SPDX-License-Identifier: MIT */

/* The System V x86-64 switch: the callee-saved integer registers go onto the stack that is left, and
 * come from the stack that is entered. The floating-point modes (mxcsr, x87 control word) are
 * shared by the tasks of a thread, like its thread-locals.
 *
 * The last instruction is a plain `ret` and not a jump, so that the processor's return predictor
 * stays in step. The object says nothing of shadow stacks, so none is switched on over it. */

#if defined(__x86_64__) && !defined(KEEL_UCONTEXT)

        .text

/* void keel__switch_stack(void **save_sp, void *load_sp) */
        .globl  keel__switch_stack
        .hidden keel__switch_stack
        .type   keel__switch_stack, @function
        .p2align 4
keel__switch_stack:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %rbp
        ret
        .cfi_endproc
        .size   keel__switch_stack, .-keel__switch_stack

/* The first return of a new stack comes here: r12 holds the argument, r13 the function. For
 * unwinders this is the outermost frame. */
        .globl  keel__switch_enter
        .hidden keel__switch_enter
        .type   keel__switch_enter, @function
        .p2align 4
keel__switch_enter:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %r12, %rdi
        xorl    %ebp, %ebp
        callq   *%r13
        ud2
        .cfi_endproc
        .size   keel__switch_enter, .-keel__switch_enter

#endif

        .section .note.GNU-stack, "", @progbits
