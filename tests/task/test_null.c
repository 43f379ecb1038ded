/* SPDX-License-Identifier: MIT */
#include "support.h"

/* Arguments that must not be NULL, and are: each call aborts, with a message that names it. */

static keel_err *never(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return arg;
}

static void never_after(void *arg)
{
    (void)arg;
}

/* What a call needs besides; each is in a child of its own. */
typedef struct things {
    keel_runtime *rt;
    keel_ctx *ctx;
    keel_group *group;
    keel_once once;
    keel_after *after;
} things;

#define DROP(call) keel_err_free(call)

static void call_about_groups(int number, things *t)
{
    switch (number) {
    case 0:
        keel_group_go(t->group, NULL, t);
        return;
    case 1:
        keel_group_try_go(t->group, NULL, t);
        return;
    case 2:
        keel_group_go(NULL, never, NULL);
        return;
    case 3:
        keel_group_try_go(NULL, never, NULL);
        return;
    case 4:
        (void)keel_group_ctx(NULL);
        return;
    case 5:
        keel_group_cancel(NULL);
        return;
    case 6:
        keel_group_fail(NULL, NULL);
        return;
    default:
        return;
    }
}

static void call_about_runtimes(int number, things *t)
{
    switch (number) {
    case 10:
        DROP(keel_runtime_start(NULL, NULL));
        return;
    case 11:
        DROP(keel_runtime_stop(NULL, NULL));
        return;
    case 12:
        (void)keel_runtime_ctx(NULL);
        return;
    case 13:
        DROP(keel_runtime_run(NULL, never, NULL));
        return;
    case 14:
        DROP(keel_runtime_run(t->rt, NULL, NULL));
        return;
    case 15:
        (void)keel_runtime_workers(NULL);
        return;
    case 16:
        keel_main(NULL, NULL);
        return;
    case 17:
        DROP(keel_offload(t->ctx, NULL, NULL));
        return;
    case 18:
        DROP(keel_offload_abandon(t->ctx, NULL, NULL, NULL));
        return;
    case 19:
        DROP(keel_once_do(t->ctx, &t->once, NULL, NULL));
        return;
    default:
        return;
    }
}

static void call_about_contexts(int number, things *t)
{
    switch (number) {
    case 20:
        keel_ctx_deadline(t->ctx, NULL);
        return;
    case 21:
        DROP(keel_ctx_after(NULL, t->ctx, never_after, NULL));
        return;
    case 22:
        DROP(keel_ctx_after(&t->after, t->ctx, NULL, NULL));
        return;
    case 23:
        keel_after_stop(NULL);
        return;
    case 24:
        keel_after_stop_and_wait(NULL);
        return;
    case 25:
        DROP(keel_clock_manual_new(NULL, NULL));
        return;
    case 26:
        (void)keel_clock_now(NULL);
        return;
    case 27:
        keel_clock_advance(NULL, 1);
        return;
    case 28:
        (void)keel_select_cases(t->ctx, NULL, 1, false);
        return;
    default:
        return;
    }
}

static void call_about_values(int number, things *t)
{
    int64_t ns;

    (void)t;
    switch (number) {
    case 30:
        DROP(keel_duration_parse(NULL, "1s"));
        return;
    case 31:
        DROP(keel_duration_parse(&ns, NULL));
        return;
    case 32:
        keel_duration_format(1, NULL);
        return;
    case 33:
        DROP(keel_mem_set(NULL));
        return;
    case 34:
        DROP(keel_err_new_typed("here", NULL, ""));
        return;
    case 35:
        DROP(keel_err_new_typed("here", &(keel_err_type){ .name = "x", .size = 1 }, NULL));
        return;
    case 36:
        keel_err_format(KEEL_ERR_INVAL, NULL, 1);
        return;
    case 37:
        keel_err_json(KEEL_ERR_INVAL, NULL, 1);
        return;
    case 38:
        keel_err_str(KEEL_ERR_INVAL, NULL, 1);
        return;
    default:
        return;
    }
}

static void call(void *number_)
{
    int number = *(const int *)number_;
    things t = { 0 };
    keel_err *err = keel_runtime_start(&t.rt, &(keel_runtime_opts){ .workers = 1 });

    if (err != NULL)
        return;
    t.ctx = keel_runtime_ctx(t.rt);
    t.group = keel_group_new(t.ctx, NULL);
    call_about_groups(number, &t);
    call_about_runtimes(number, &t);
    call_about_contexts(number, &t);
    call_about_values(number, &t);
}

static void each_call_names_the_argument_that_is_missing(void **state)
{
    static const struct {
        int number;
        const char *message;
    } rows[] = {
        { 0, "keel_group_go: fn is NULL" },
        { 1, "keel_group_try_go: fn is NULL" },
        { 2, "keel_group_go: group is NULL" },
        { 3, "keel_group_try_go: group is NULL" },
        { 4, "keel_group_ctx: group is NULL" },
        { 5, "keel_group_cancel: group is NULL" },
        { 6, "keel_group_fail: group is NULL" },
        { 10, "keel_runtime_start: out is NULL" },
        { 11, "keel_runtime_stop: rt is NULL" },
        { 12, "keel_runtime_ctx: rt is NULL" },
        { 13, "keel_runtime_run: rt is NULL" },
        { 14, "keel_runtime_run: fn is NULL" },
        { 15, "keel_runtime_workers: rt is NULL" },
        { 16, "keel_main: fn is NULL" },
        { 17, "keel_offload: fn is NULL" },
        { 18, "keel_offload_abandon: fn is NULL" },
        { 19, "keel_once_do: fn is NULL" },
        { 20, "keel_ctx_deadline: deadline_ns is NULL" },
        { 21, "keel_ctx_after: out is NULL" },
        { 22, "keel_ctx_after: fn is NULL" },
        { 23, "keel_after_stop: after is NULL" },
        { 24, "keel_after_stop: after is NULL" },
        { 25, "keel_clock_manual_new: out is NULL" },
        { 26, "keel_clock_now: clock is NULL" },
        { 27, "keel_clock_advance: clock is NULL" },
        { 28, "keel_select_cases: cases is NULL" },
        { 30, "keel_duration_parse: ns is NULL" },
        { 31, "keel_duration_parse: text is NULL" },
        { 32, "keel_duration_format: buf is NULL" },
        { 33, "keel_mem_set: allocator is NULL" },
        { 34, "keel_err_new_typed: type is NULL" },
        { 35, "keel_err_new_typed: payload is NULL" },
        { 36, "keel_err_format: buf is NULL" },
        { 37, "keel_err_json: buf is NULL" },
        { 38, "keel_err_str: buf is NULL" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int number = rows[i].number;
        support_assert_aborts(call, &number, rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(each_call_names_the_argument_that_is_missing),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
