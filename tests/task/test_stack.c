/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task/stack.h"
#include "task/switch.h"

/* ---- Stacks by themselves ---- */

typedef struct bench {
    keel__stack_pool pool;
    keel__stack_cache cache;
} bench;

static void bench_init(bench *b, size_t plain_bytes)
{
    *b = (bench){ 0 };
    keel__stack_pool_init(&b->pool, plain_bytes);
}

static void stacks_have_the_size_that_was_asked_for(void **state)
{
    static const size_t sizes[] = { 0, 16 << 10, 64 << 10, (64 << 10) + 1, 256 << 10, 8 << 20 };
    bench b;

    (void)state;
    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t least = (sizes[i] != 0 ? sizes[i] : KEEL__STACK_PLAIN_BYTES) * keel__stack_factor();
        keel__stack *stack;

        assert_ok(keel__stack_take(&b.pool, &b.cache, sizes[i], &stack));
        assert_true(stack->bytes >= least && stack->bytes < least + b.pool.page_bytes);
        assert_int_equal((uintptr_t)stack->low % b.pool.page_bytes, 0);
        memset(stack->low, 0x5A, stack->bytes);
        keel__stack_give(&b.pool, &b.cache, stack);
    }
    keel__stack_pool_deinit(&b.pool);
}

enum { MANY = 300 };

#define KEEL_SORT_NAME by_place
#define KEEL_SORT_ITEM keel__stack *
#define KEEL_SORT_KEY(stack) ((stack)->low)
#include <keel/sort.h>

/* More than a worker keeps, in two sizes; given back and taken again no new ones are mapped. */
static void stacks_are_disjoint_and_used_again(void **state)
{
    bench b;
    keel__stack *stacks[MANY];

    (void)state;
    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    size_t made = 0;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++) {
            size_t bytes = i % 3 == 0 ? KEEL__STACK_LARGE_BYTES : 0;
            assert_ok(keel__stack_take(&b.pool, &b.cache, bytes, &stacks[i]));
            stacks[i]->low[0] = stacks[i]->low[stacks[i]->bytes - 1] = 1;
        }
        by_place_sort(stacks, MANY);
        for (size_t i = 1; i < MANY; i++)
            assert_true(stacks[i]->low - stacks[i - 1]->low >=
                        (ptrdiff_t)(stacks[i - 1]->bytes + b.pool.guard_bytes));
        for (size_t i = 0; i < MANY; i++)
            keel__stack_give(&b.pool, &b.cache, stacks[i]);
        if (round == 0)
            made = support_mem_live();
        assert_int_equal(support_mem_live(), made);
    }
    keel__stack_pool_deinit(&b.pool);
}

static void the_guard_lies_right_below(void **state)
{
    bench b;
    keel__stack *stack;

    (void)state;
    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    assert_ok(keel__stack_take(&b.pool, &b.cache, 0, &stack));
    assert_false(keel__stack_guards(&b.pool, stack, stack->low));
    assert_true(keel__stack_guards(&b.pool, stack, stack->low - 1));
    assert_true(keel__stack_guards(&b.pool, stack, stack->low - b.pool.guard_bytes));
    assert_false(keel__stack_guards(&b.pool, stack, stack->low - b.pool.guard_bytes - 1));
    keel__stack_give(&b.pool, &b.cache, stack);
    keel__stack_pool_deinit(&b.pool);
}

/* Writes to the guard of the nth of many stacks. */
static void touch_guard(void *nth)
{
    bench b;
    keel__stack *stack = NULL;

    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    for (int i = 0; i <= *(int *)nth; i++) {
        if (keel__stack_take(&b.pool, &b.cache, i == 40 ? 1 << 20 : 0, &stack) != NULL)
            abort();
    }
    stack->low[-1] = 1;
}

static void every_stack_has_a_guard(void **state)
{
    static const int numbers[] = { 0, 1, 31, 32, 40 };
    int status;

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int nth = numbers[i];
        support_child(touch_guard, &nth, &status);
        assert_int_not_equal(status, 0);
    }
}

/* Resident bytes between two addresses. */
static size_t resident(char *low, size_t bytes, size_t page_bytes)
{
    unsigned char pages[4096];
    size_t count = 0;

    assert_true(bytes / page_bytes <= sizeof pages);
    assert_int_equal(mincore(low, bytes, pages), 0);
    for (size_t i = 0; i < bytes / page_bytes; i++)
        count += pages[i] & 1;
    return count * page_bytes;
}

/* What a worker does not keep is given back to the system. */
static void stacks_that_are_not_kept_hold_no_memory(void **state)
{
    bench b;
    keel__stack *stacks[MANY];
    size_t held = 0;

    (void)state;
    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    for (size_t i = 0; i < MANY; i++) {
        assert_ok(keel__stack_take(&b.pool, &b.cache, 0, &stacks[i]));
        memset(stacks[i]->low, 1, stacks[i]->bytes);
    }
    size_t bytes = stacks[0]->bytes;
    for (size_t i = 0; i < MANY; i++)
        keel__stack_give(&b.pool, &b.cache, stacks[i]);
    for (const keel__stack *stack = b.pool.free[KEEL__STACK_PLAIN]; stack != NULL;
         stack = stack->next)
        held += resident(stack->low, stack->bytes, b.pool.page_bytes);
    for (const keel__stack *stack = b.cache.free[KEEL__STACK_PLAIN]; stack != NULL;
         stack = stack->next)
        held += resident(stack->low, stack->bytes, b.pool.page_bytes);
    assert_true(held <= 64 * bytes);
    keel__stack_pool_deinit(&b.pool);
}

static size_t mapped_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        abort();
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void stacks_give_their_addresses_back(void **state)
{
    const size_t some = (size_t)64 << 20;
    size_t before = mapped_bytes();

    (void)state;
    for (int i = 0; i < 50; i++) {
        bench b;
        keel__stack *odd, *plain;

        bench_init(&b, KEEL__STACK_PLAIN_BYTES);
        for (int j = 0; j < 5; j++) {
            assert_ok(keel__stack_take(&b.pool, &b.cache, some, &odd));
            keel__stack_give(&b.pool, &b.cache, odd);
        }
        assert_ok(keel__stack_take(&b.pool, &b.cache, 0, &plain));
        keel__stack_give(&b.pool, &b.cache, plain);
        keel__stack_pool_deinit(&b.pool);
    }
    assert_true(mapped_bytes() < before + some);
}

static void a_slab_serves_many_stacks(void **state)
{
    enum { COUNT = 32 };
    bench b;
    keel__stack *stacks[COUNT];
    size_t made = support_mem_made();

    (void)state;
    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    for (int i = 0; i < COUNT; i++)
        assert_ok(keel__stack_take(&b.pool, &b.cache, 0, &stacks[i]));
    assert_int_equal(support_mem_made() - made, KEEL__TSAN ? COUNT : 1);
    for (int i = 0; i < COUNT; i++)
        keel__stack_give(&b.pool, &b.cache, stacks[i]);
    keel__stack_pool_deinit(&b.pool);
}

/* What a worker keeps is what it gave back last, and no more than it counts. */
static void a_worker_keeps_the_stacks_it_used_last(void **state)
{
    bench b;
    keel__stack *stacks[4], *again;

    (void)state;
    bench_init(&b, KEEL__STACK_PLAIN_BYTES);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 4; i++)
            assert_ok(keel__stack_take(&b.pool, &b.cache, 0, &stacks[i]));
        for (int i = 0; i < 4; i++)
            keel__stack_give(&b.pool, &b.cache, stacks[i]);
        assert_ok(keel__stack_take(&b.pool, &b.cache, 0, &again));
        if (!KEEL__TSAN)
            assert_ptr_equal(again, stacks[3]);
        keel__stack_give(&b.pool, &b.cache, again);
        assert_true(b.cache.count[KEEL__STACK_PLAIN] <= 4);
    }
    keel__stack_pool_deinit(&b.pool);
}

/* ---- Overflow ---- */

/* As deep as it takes; each frame is touched. */
__attribute__((noinline)) static size_t descend(volatile char *above, size_t depth)
{
    volatile char frame[512];

    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = above[i % 16];
    if (depth == 0)
        return (size_t)frame[7];
    return descend(frame, depth - 1) + (size_t)frame[3];
}

static keel_err *overflow(keel_ctx *ctx, void *depth)
{
    volatile char first[16] = { 1 };

    (void)ctx;
    return descend(first, *(size_t *)depth) == 7 ? keel_err_new("seven") : NULL;
}

static size_t endless = (size_t)1 << 40;

static keel_err *overflow_in_group(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, overflow, &endless);
    return keel_group_wait(group);
}

static void overflow_in_keel_main(void *arg)
{
    (void)arg;
    keel_main(overflow_in_group, NULL);
}

static void overflow_in_main_task(void *arg)
{
    (void)arg;
    keel_main(overflow, &endless);
}

static void overflow_embedded(void *handle_faults)
{
    keel_runtime *rt;
    keel_err *err = keel_runtime_start(
        &rt, &(keel_runtime_opts){ .workers = 2, .handle_faults = *(bool *)handle_faults });

    if (err == NULL)
        err = keel_runtime_run(rt, overflow_in_group, NULL);
    keel_err_free(err);
}

/* Dies by one of the two signals, having written these. */
static void expect_fault(void (*fn)(void *arg), void *arg, const char *name, const char *where)
{
    int status;
    const char *text = support_child(fn, arg, &status);

    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
    assert_non_null(strstr(text, "keel: stack overflow: task '"));
    assert_non_null(strstr(text, name));
    assert_non_null(strstr(text, where));
}

static void an_overflow_names_the_task_and_where_it_was_started(void **state)
{
    (void)state;
    expect_fault(overflow_in_keel_main, NULL, "'overflow'", "(started at tests/task/test_stack.c:");
    expect_fault(overflow_in_main_task, NULL, "'main'", "(started at keel_main)");
    expect_fault(overflow_embedded, &(bool){ true }, "'overflow'",
                 "(started at tests/task/test_stack.c:");
}

#if !KEEL__ASAN
static void without_the_option_an_overflow_dies_without_a_word(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(overflow_embedded, &(bool){ false }, &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_string_equal(text, "");
}
#endif

/* The stacks are as large as promised: what fits by far must not overflow. */
static void a_large_stack_holds_what_a_small_one_does_not(void **state)
{
    keel_runtime *rt;
    size_t depth = 700; /* frames of half a KiB: too much for 64 KiB, easy for 1 MiB */

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_group *group =
        keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .stack_bytes = 1 << 20 });
    keel_group_go(group, overflow, &depth);
    assert_ok(keel_group_wait(group));
    assert_ok(keel_runtime_stop(NULL, rt));

    assert_ok(
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1, .stack_bytes = 1 << 20 }));
    assert_ok(keel_runtime_run(rt, overflow, &depth));
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Other faults ---- */

static const char *said;

static void own_handler(int number)
{
    (void)number;
    if (write(STDERR_FILENO, said, strlen(said)) < 0)
        abort();
    _exit(3);
}

static void own_info_handler(int number, siginfo_t *info, void *context)
{
    if (info == NULL || context == NULL)
        abort();
    own_handler(number);
}

static keel_err *touch(keel_ctx *ctx, void *address)
{
    (void)ctx;
    **(volatile char **)address = 1;
    return NULL;
}

/* An address that may not be touched, and that no sanitizer knows. */
static char *nowhere;

static void find_nowhere(void)
{
    nowhere = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (nowhere == MAP_FAILED)
        abort();
}

static void fault_elsewhere(void *with_info)
{
    keel_runtime *rt;
    struct sigaction action = { .sa_handler = own_handler };

    if (*(bool *)with_info) {
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = own_info_handler;
    }
    find_nowhere();
    said = "mine";
    sigaction(SIGSEGV, &action, NULL);
    keel_err *err = keel_runtime_start(
        &rt, &(keel_runtime_opts){ .workers = 1,
                                   .handle_faults = true,
                                   .stall_ns = KEEL_STALL_OFF }); /* it is the text that counts */
    if (err == NULL)
        err = keel_runtime_run(rt, touch, &nowhere);
    keel_err_free(err);
}

static void another_fault_reaches_the_handler_that_was_there(void **state)
{
    int status;

    (void)state;
#ifdef KEEL_VALGRIND
    skip(); /* it reports the fault, and changes the child's status */
#endif
    for (int with_info = 0; with_info < 2; with_info++) {
        bool flag = with_info != 0;
        const char *text = support_child(fault_elsewhere, &flag, &status);
        assert_string_equal(text, "mine");
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    }
}

static void fault_without_handler(void *in_task)
{
    keel_runtime *rt;

    find_nowhere();
    signal(SIGSEGV, SIG_DFL);
    keel_err *err =
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1, .handle_faults = true });
    if (err == NULL && *(bool *)in_task)
        err = keel_runtime_run(rt, touch, &nowhere);
    else if (err == NULL)
        *(volatile char *)nowhere = 1;
    keel_err_free(err);
}

static void without_a_handler_another_fault_ends_the_process(void **state)
{
    int status;

    (void)state;
#ifdef KEEL_VALGRIND
    skip(); /* it reports the fault, and changes the child's status */
#endif
    for (int in_task = 0; in_task < 2; in_task++) {
        bool flag = in_task != 0;
        const char *text = support_child(fault_without_handler, &flag, &status);
        assert_null(strstr(text, "stack overflow: task"));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
}

/* No instruction faults again here: the signal must not get lost. */
static void raise_segv(void *arg)
{
    keel_runtime *rt;

    (void)arg;
    signal(SIGSEGV, SIG_DFL);
    keel_err_free(
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1, .handle_faults = true }));
    raise(SIGSEGV);
    fprintf(stderr, "still here\n");
}

static void a_raised_signal_ends_the_process_too(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(raise_segv, NULL, &status);
    assert_string_equal(text, "");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* Two runtimes handle faults; the last to stop puts back what was there. */
static void the_last_runtime_puts_the_old_handler_back(void **state)
{
    keel_runtime *a, *b;
    struct sigaction now, before;
    const keel_runtime_opts opts = { .workers = 1, .handle_faults = true };

    (void)state;
    sigaction(SIGBUS, NULL, &before);
    assert_ok(keel_runtime_start(&a, &opts));
    assert_ok(keel_runtime_start(&b, &opts));
    assert_ok(keel_runtime_stop(NULL, a));
    sigaction(SIGBUS, NULL, &now);
    assert_true(now.sa_sigaction != before.sa_sigaction);
    assert_ok(keel_runtime_stop(NULL, b));
    sigaction(SIGBUS, NULL, &now);
    assert_true(now.sa_handler == before.sa_handler);
}

static keel_err *find_handler_stack(keel_ctx *ctx, void *stack)
{
    (void)ctx;
    check(sigaltstack(NULL, stack) == 0);
    return NULL;
}

static void the_stack_for_handlers_goes_with_its_worker(void **state)
{
    keel_runtime *rt;
    stack_t stack;
    unsigned char page;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1, .handle_faults = true }));
    assert_ok(keel_runtime_run(rt, find_handler_stack, &stack));
    assert_int_equal(stack.ss_flags & SS_DISABLE, 0);
    assert_int_equal(mincore(stack.ss_sp, 1, &page), 0);
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(mincore(stack.ss_sp, 1, &page), -1);
}

/* ---- Limits ---- */

static keel_err *do_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

/* Room for a little more, and not for a stack of 1 GiB. */
static void start_without_memory(void *arg)
{
    keel_runtime *rt;
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 });

    (void)arg;
    if (err == NULL)
        err = keel_runtime_run(rt, do_nothing, NULL);
    rlim_t bytes = mapped_bytes() + ((size_t)512 << 20);
    setrlimit(RLIMIT_AS, &(struct rlimit){ bytes, bytes });
    keel_group *group = keel_group_new(keel_runtime_ctx(rt),
                                       &(keel_group_opts){ .stack_bytes = KEEL__STACK_MAX_BYTES });
    keel_group_go(group, do_nothing, NULL);
    err = keel_err_join(err, keel_group_wait(group));
    fprintf(stderr, "%d, %s\n", keel_err_is(err, KEEL_ERR_LIMIT), KEEL_ERR_STR(err));
    keel_err_free(err);

    /* the runtime is as usable as before */
    err = keel_runtime_run(rt, do_nothing, NULL);
    err = keel_err_join(err, keel_runtime_stop(NULL, rt));
    if (err != NULL)
        abort();
}

static void without_memory_for_a_stack_the_limit_is_named(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(start_without_memory, NULL, &status);
    assert_int_equal(status, 0);
    assert_int_equal(text[0], '1');
    assert_non_null(strstr(text, "RLIMIT_AS"));
    assert_non_null(strstr(text, "start of task 'do_nothing' (tests/task/test_stack.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(stacks_have_the_size_that_was_asked_for),
        support_test(stacks_are_disjoint_and_used_again),
        support_test(the_guard_lies_right_below),
        support_test(every_stack_has_a_guard),
        support_test(stacks_that_are_not_kept_hold_no_memory),
        support_test(stacks_give_their_addresses_back),
        support_test(a_slab_serves_many_stacks),
        support_test(a_worker_keeps_the_stacks_it_used_last),
        support_test(an_overflow_names_the_task_and_where_it_was_started),
#if !KEEL__ASAN
        support_test(without_the_option_an_overflow_dies_without_a_word),
#endif
        support_test(a_large_stack_holds_what_a_small_one_does_not),
        support_test(another_fault_reaches_the_handler_that_was_there),
        support_test(without_a_handler_another_fault_ends_the_process),
        support_test(a_raised_signal_ends_the_process_too),
        support_test(the_last_runtime_puts_the_old_handler_back),
        support_test(the_stack_for_handlers_goes_with_its_worker),
        support_test(without_memory_for_a_stack_the_limit_is_named),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
