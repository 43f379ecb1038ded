/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <pthread.h>
#include <sched.h>

#include <jansson.h>

#include "base/atomic.h"
#include "task/switch.h"
#include "task/worker.h"

enum { YIELDS = 500 /* enough for all tasks of a test to run and park */ };

static json_t *parse(const keel_buf *buf)
{
    json_error_t error;
    json_t *json = json_loadb(buf->ptr, buf->len, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL)
        print_error("%s at %d in %s\n", error.text, error.position, keel_buf_text(buf));
    return json;
}

/* The task of that name; NULL unless there is exactly one. */
static json_t *find(json_t *dump, const char *name)
{
    json_t *found = NULL, *task;
    size_t i;

    json_array_foreach(json_object_get(dump, "tasks"), i, task)
    {
        if (strcmp(json_string_value(json_object_get(task, "name")), name) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = task;
    }
    return found;
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "(none)";
}

static void assert_is(json_t *object, const char *key, const char *expected)
{
    assert_string_equal(text_of(object, key), expected);
}

/* Like support_run_on, but that the task has the name of its function. */
#define run_on(clock, workers, fn, arg) run_named((clock), (workers), (fn), (arg), #fn)

static keel_err *run_named(keel_clock *clock, unsigned workers, keel_task_fn fn, void *arg,
                           const char *name)
{
    keel_runtime *rt;

    KEEL_TRY(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = workers, .clock = clock }));
    keel_err *err = keel_runtime_run_at(rt, fn, arg, name, KEEL_HERE, __func__);
    return keel_err_join(err, keel_runtime_stop(NULL, rt));
}

/* ---- What tasks wait for ---- */

typedef struct waits {
    keel_chan *chan, *full;
    keel_mutex mutex;
    keel_semaphore sem;
    keel_waitgroup wg;
    keel_once once;
    keel_chan *held; /* the once is under way until this is closed */
    keel_group *limited;
    keel__a32 offload_may_end;
    keel_buf json, text;
} waits;

static keel_err *recv_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    return keel_chan_recv(ctx, w->chan, &(int){ 0 });
}

static keel_err *send_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    return keel_chan_send(ctx, w->full, &(int){ 0 });
}

static keel_err *select_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    int item;
    keel_select(ctx, KEEL_RECV(w->chan, &item), KEEL_RECV(w->held, &item), KEEL_AFTER(KEEL_S(7)));
    return NULL;
}

static keel_err *lock_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    KEEL_TRY(keel_mutex_lock_ctx(ctx, &w->mutex));
    keel_mutex_unlock(&w->mutex);
    return NULL;
}

static keel_err *hold_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    keel_mutex_lock(&w->mutex);
    keel_err *err = keel_chan_recv(ctx, w->chan, &(int){ 0 });
    keel_mutex_unlock(&w->mutex);
    return err;
}

static keel_err *acquire_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    return keel_semaphore_acquire(ctx, &w->sem, 2);
}

static keel_err *join_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    return keel_waitgroup_wait(ctx, &w->wg);
}

static keel_err *run_once(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    return keel_chan_recv(ctx, w->held, &(int){ 0 });
}

static keel_err *first_(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    return keel_once_do(ctx, &w->once, run_once, w);
}

static keel_err *once_(keel_ctx *ctx, void *w_)
{
    return first_(ctx, w_);
}

static keel_err *sleep_(keel_ctx *ctx, void *w_)
{
    (void)w_;
    return keel_sleep(ctx, KEEL_S(5));
}

static keel_err *group_(keel_ctx *ctx, void *w_)
{
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .name = "member" });
    keel_group_go(group, recv_, w_);
    return keel_group_wait(group);
}

static keel_err *go_(keel_ctx *ctx, void *w_)
{
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .limit = 1, .name = "placed" });
    keel_group_go(group, recv_, w_);
    keel_group_go(group, recv_, w_);
    return keel_group_wait(group);
}

static keel_err *block(void *w_)
{
    waits *w = w_;
    while (keel__load(&w->offload_may_end) == 0)
        keel_yield();
    return NULL;
}

static keel_err *offload_(keel_ctx *ctx, void *w_)
{
    return keel_offload(ctx, block, w_);
}

static keel_err *yield_(keel_ctx *ctx, void *w_)
{
    (void)w_;
    while (keel_ctx_err(ctx) == NULL)
        keel_yield();
    return NULL;
}

static keel_err *late_(keel_ctx *ctx, void *w_)
{
    (void)ctx;
    (void)w_;
    return NULL;
}

static keel_err *wait_for_everything(keel_ctx *ctx, void *w_)
{
    waits *w = w_;
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, hold_, w);
    keel_group_go(group, first_, w);
    for (int i = 0; i < YIELDS; i++)
        keel_yield();
    keel_group_go(group, recv_, w);
    keel_group_go(group, send_, w);
    keel_group_go(group, select_, w);
    keel_group_go(group, lock_, w);
    keel_group_go(group, acquire_, w);
    keel_group_go(group, join_, w);
    keel_group_go(group, once_, w);
    keel_group_go(group, sleep_, w);
    keel_group_go(group, group_, w);
    keel_group_go(group, go_, w);
    keel_group_go(group, offload_, w);
    keel_group_go(group, yield_, w);
    for (int i = 0; i < YIELDS; i++)
        keel_yield();
    keel_group_go(group, late_, w);
    keel_err *err =
        keel_runtime_dump(keel_ctx_runtime(ctx), &w->json, &(keel_dump_opts){ .json = true });
    if (err == NULL)
        err = keel_runtime_dump(keel_ctx_runtime(ctx), &w->text, NULL);
    keel__store(&w->offload_may_end, 1);
    keel_group_cancel(group);
    keel_err_free(keel_group_wait(group)); /* they were all cancelled */
    return err;
}

static void waits_init(waits *w)
{
    *w = (waits){ 0 };
    assert_ok(keel_chan_new(&w->chan, sizeof(int), NULL));
    assert_ok(keel_chan_new(&w->full, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    assert_ok(keel_chan_send(NULL, w->full, &(int){ 0 }));
    assert_ok(keel_chan_new(&w->held, sizeof(int), NULL));
    keel_semaphore_init(&w->sem, 2);
    assert_true(keel_semaphore_try_acquire(&w->sem, 1));
    keel_waitgroup_add(&w->wg, 1);
}

static void waits_deinit(waits *w)
{
    keel_semaphore_release(&w->sem, 1);
    keel_waitgroup_done(&w->wg);
    keel_once_deinit(&w->once);
    keel_chan_free(w->chan);
    keel_chan_free(w->full);
    keel_chan_free(w->held);
    keel_buf_deinit(&w->json);
    keel_buf_deinit(&w->text);
}

static void assert_waits(json_t *dump, const char *name, const char *operation, const char *kind,
                         const void *object)
{
    json_t *task = find(dump, name), *waits_for = json_object_get(task, "waits_for");
    char address[32];

    if (task == NULL)
        fail_msg("no task '%s', or several", name);
    assert_is(task, "state", strcmp(name, "offload_") == 0 ? "offloaded" : "parked");
    assert_is(waits_for, "operation", operation);
    assert_is(waits_for, "kind", kind != NULL ? kind : "(none)");
    snprintf(address, sizeof address, "%p", object);
    if (object != NULL)
        assert_is(waits_for, "object", address);
    assert_true(json_integer_value(json_object_get(waits_for, "for_ns")) >= 0);
    assert_true(json_is_integer(json_object_get(waits_for, "for_ns")));
    assert_int_equal(json_integer_value(json_object_get(task, "worker")), 0);
}

static json_int_t left(json_t *dump, const char *name)
{
    json_t *ns = json_object_get(json_object_get(find(dump, name), "waits_for"), "left_ns");

    return ns != NULL ? json_integer_value(ns) : -1;
}

static json_int_t holder(json_t *dump, const char *name)
{
    json_t *by = json_object_get(json_object_get(find(dump, name), "waits_for"), "held_by");

    return by != NULL ? json_integer_value(by) : -1;
}

static json_int_t id(json_t *dump, const char *name)
{
    return json_integer_value(json_object_get(find(dump, name), "id"));
}

/* A clock that stands still, so that what is left of a sleep is known. */
static void every_wait_is_told_with_its_kind_and_object(void **state)
{
    waits w;
    keel_clock *clock;

    (void)state;
    waits_init(&w);
    assert_ok(keel_clock_manual_new(&clock, NULL));
    assert_ok(run_on(clock, 1, wait_for_everything, &w));
    json_t *dump = parse(&w.json);

    assert_non_null(dump);
    assert_int_equal(json_integer_value(json_object_get(dump, "workers")), 1);
    assert_int_equal(json_integer_value(json_object_get(dump, "task_count")),
                     json_array_size(json_object_get(dump, "tasks")));
    assert_waits(dump, "recv_", "receive", "channel", w.chan);
    assert_waits(dump, "send_", "send", "channel", w.full);
    assert_waits(dump, "select_", "select", NULL, NULL);
    assert_waits(dump, "lock_", "lock", "mutex", &w.mutex);
    assert_waits(dump, "acquire_", "acquire", "semaphore", &w.sem);
    assert_waits(dump, "join_", "waitgroup wait", "waitgroup", &w.wg);
    assert_waits(dump, "once_", "once", "once", &w.once);
    assert_waits(dump, "sleep_", "sleep", NULL, NULL);
    assert_waits(dump, "group_", "wait for group", "group", NULL);
    assert_waits(dump, "go_", "go", "group", NULL);
    assert_waits(dump, "offload_", "offload", NULL, NULL);
    assert_is(find(dump, "late_"), "state", "unstarted");
    assert_is(find(dump, "yield_"), "state", "ready");
    assert_is(find(dump, "wait_for_everything"), "state", "running");
    assert_null(json_object_get(find(dump, "late_"), "waits_for"));
    assert_null(json_object_get(find(dump, "late_"), "stack"));
    assert_null(json_object_get(find(dump, "yield_"), "waits_for"));

    assert_int_equal(left(dump, "sleep_"), KEEL_S(5));
    assert_int_equal(left(dump, "select_"), KEEL_S(7));
    assert_int_equal(left(dump, "recv_"), -1);
    assert_int_equal(holder(dump, "lock_"), id(dump, "hold_"));
    assert_int_equal(holder(dump, "once_"), id(dump, "first_"));
    assert_int_equal(holder(dump, "recv_"), -1);

    json_t *task = find(dump, "recv_");
    assert_string_equal(strrchr(text_of(task, "file"), '/'), "/test_dump.c");
    assert_true(json_integer_value(json_object_get(task, "line")) > 0);
    assert_is(task, "function", "wait_for_everything");
    json_decref(dump);
    waits_deinit(&w);
    keel_clock_free(clock);
}

static void the_text_says_the_same_a_task_to_a_line(void **state)
{
    waits w;
    keel_clock *clock;
    char line[256];

    (void)state;
    waits_init(&w);
    assert_ok(keel_clock_manual_new(&clock, NULL));
    assert_ok(run_on(clock, 1, wait_for_everything, &w));
    const char *text = keel_buf_text(&w.text);
    assert_memory_equal(text, "keel: 18 tasks, 1 worker\nT1 'wait_for_everything' (started at ",
                        60);
    assert_non_null(strstr(text, " in wait_for_everything) has waited "));
    assert_non_null(strstr(text, ": sleep, at most 5s more; worker 0, stack "));
    assert_non_null(strstr(text, ": offload; worker 0"));
    assert_non_null(strstr(text, "/test_dump.c:"));
    assert_non_null(strstr(text, ") has not started\n"));
    assert_non_null(strstr(text, ") is ready to run; worker 0"));
    assert_non_null(strstr(text, ") runs; worker 0"));
    snprintf(line, sizeof line, ": receive from channel %p; worker", (void *)w.chan);
    assert_non_null(strstr(text, line));
    snprintf(line, sizeof line, ": lock mutex %p, which T2 holds; worker", (void *)&w.mutex);
    assert_non_null(strstr(text, line));
    waits_deinit(&w);
    keel_clock_free(clock);
}

/* ---- Names and labels ---- */

static const char long_name[] =
    "0123456789012345678901234567890123456789012345678901234567890123456789"
    "0123456789012345678901234567890123456789012345678901234567890123456789"
    "012345678901234567890123456789012345678901234567890123456789\xc3\xa4 end";

static const char *const hostile[] = {
    "\"",        "\\",      "a\nb",         "\x01\x1f\x7f",     "\xff\xfe",
    "\xc3",      "",        "\xed\xa0\x80", "\xf4\x90\x80\x80", "','",
    "</script>", long_name, "%s%n"
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

typedef struct named {
    const char *name;
    keel_buf json, text;
} named;

static keel_err *dump_self(keel_ctx *ctx, void *n_)
{
    named *n = n_;
    keel_runtime *rt = keel_ctx_runtime(ctx);

    for (int i = 0; i < HOSTILE; i++)
        keel_err_free(keel_task_label(hostile[i], n->name)); /* the empty key is refused */
    KEEL_TRY(keel_runtime_dump(rt, &n->text, NULL));
    return keel_runtime_dump(rt, &n->json, &(keel_dump_opts){ .json = true });
}

static void the_json_is_valid_whatever_names_and_labels_hold(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    for (int i = 0; i < HOSTILE; i++) {
        named n = { .name = hostile[i] };
        keel_group *group =
            keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .name = n.name });

        keel_group_go_at(group, dump_self, &n, n.name, n.name, n.name);
        assert_ok(keel_group_wait(group));
        json_error_t error;
        json_t *dump = json_loadb(n.json.ptr, n.json.len, 0, &error);
        assert_non_null(dump);
        json_t *task = json_array_get(json_object_get(dump, "tasks"), 0);
        assert_non_null(json_object_get(task, "name"));
        if (n.name == hostile[0]) {
            assert_is(task, "name", "\"");
            assert_is(json_object_get(task, "labels"), "a\nb", "\"");
        }
        if (n.name == long_name)
            assert_memory_equal(text_of(task, "name"), long_name, 199);
        json_decref(dump);
        /* the head, and one task: nobody puts lines of his own between them */
        const char *second = strchr(keel_buf_text(&n.text), '\n') + 1;
        assert_ptr_equal(strchr(second, '\n') + 1, n.text.ptr + n.text.len);
        keel_buf_deinit(&n.json);
        keel_buf_deinit(&n.text);
    }
    assert_ok(keel_runtime_stop(NULL, rt));
}

static keel_err *relabel(keel_ctx *ctx, void *n_)
{
    named *n = n_;
    char value[] = "one";

    KEEL_TRY(keel_task_label("user", value));
    memset(value, 'x', sizeof value - 1); /* it was copied */
    KEEL_TRY(keel_task_label("order", "a"));
    KEEL_TRY(keel_task_label("gone", "b"));
    KEEL_TRY(keel_task_label("order", "c"));
    KEEL_TRY(keel_task_label("gone", NULL));
    KEEL_TRY(keel_task_label("never", NULL));
    check_err(keel_task_label("", "b"), KEEL_ERR_INVAL);
    KEEL_TRY(keel_runtime_dump(keel_ctx_runtime(ctx), &n->text, NULL));
    return keel_runtime_dump(keel_ctx_runtime(ctx), &n->json, &(keel_dump_opts){ .json = true });
}

static void labels_are_set_replaced_and_taken_away(void **state)
{
    named n = { 0 };

    (void)state;
    assert_ok(keel_task_label("a plain thread", "has none"));
    assert_ok(run_on(NULL, 2, relabel, &n));
    json_t *dump = parse(&n.json), *labels = json_object_get(find(dump, "relabel"), "labels");
    assert_int_equal(json_object_size(labels), 2);
    assert_is(labels, "user", "one");
    assert_is(labels, "order", "c");
    assert_non_null(strstr(keel_buf_text(&n.text), " KiB; user=one, order=c\n"));
    json_decref(dump);
    keel_buf_deinit(&n.json);
    keel_buf_deinit(&n.text);
}

/* More than a dump keeps of one task. */
static keel_err *label_a_lot(keel_ctx *ctx, void *n_)
{
    named *n = n_;
    char key[16];

    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        KEEL_TRY(keel_task_label(key, long_name));
    }
    return keel_runtime_dump(keel_ctx_runtime(ctx), &n->json, &(keel_dump_opts){ .json = true });
}

static void of_very_many_labels_the_first_are_told(void **state)
{
    named n = { 0 };

    (void)state;
    assert_ok(run_on(NULL, 2, label_a_lot, &n));
    json_t *dump = parse(&n.json), *labels = json_object_get(find(dump, "label_a_lot"), "labels");
    assert_int_equal(json_object_size(labels), 5);
    assert_non_null(json_object_get(labels, "k4"));
    json_decref(dump);
    keel_buf_deinit(&n.json);
}

/* ---- Stacks ---- */

static __attribute__((noinline)) void touch(size_t bytes)
{
    volatile char room[1024];

    room[bytes % sizeof room] = 1;
    if (bytes > sizeof room)
        touch(bytes - sizeof room);
    room[(bytes + 1) % sizeof room] = 1;
}

static keel_err *use_stack(keel_ctx *ctx, void *n_)
{
    named *n = n_;

    touch(100 << 10);
    return keel_runtime_dump(keel_ctx_runtime(ctx), &n->json, &(keel_dump_opts){ .json = true });
}

static keel_err *use_little(keel_ctx *ctx, void *n_)
{
    named *n = n_;

    return keel_runtime_dump(keel_ctx_runtime(ctx), &n->json, &(keel_dump_opts){ .json = true });
}

static json_int_t used(keel_task_fn fn, const char *name)
{
    named n = { 0 };
    keel_runtime *rt;

    assert_ok(keel_runtime_start(
        &rt, &(keel_runtime_opts){ .workers = 1, .stack_bytes = (size_t)200 << 10 }));
    assert_ok(keel_runtime_run_at(rt, fn, &n, name, "x.c:1", NULL));
    json_t *dump = parse(&n.json), *stack = json_object_get(find(dump, name), "stack");
    json_int_t bytes = json_integer_value(json_object_get(stack, "used_bytes"));

    assert_true(json_integer_value(json_object_get(stack, "bytes")) >= 200 << 10);
    assert_null(json_object_get(find(dump, name), "function"));
    assert_true(bytes <= json_integer_value(json_object_get(stack, "bytes")));
    json_decref(dump);
    keel_buf_deinit(&n.json);
    assert_ok(keel_runtime_stop(NULL, rt));
    return bytes;
}

static void the_part_of_a_stack_that_was_touched_is_told(void **state)
{
    (void)state;
    assert_in_range(used(use_little, "little"), 4096, 100 << 10);
    assert_true(used(use_stack, "much") >= 100 << 10);
}

/* ---- How many ---- */

static keel_err *dump_some(keel_ctx *ctx, void *n_)
{
    named *n = n_;
    keel_group *group = keel_group_new(ctx, NULL);

    for (int i = 0; i < 2000; i++)
        keel_group_go(group, late_, NULL);
    keel_runtime *rt = keel_ctx_runtime(ctx);
    keel_err *err = keel_runtime_dump(rt, &n->text, &(keel_dump_opts){ .max_tasks = 3 });
    if (err == NULL)
        err = keel_runtime_dump(rt, &n->json, &(keel_dump_opts){ .json = true });
    keel_buf all = { 0 };
    if (err == NULL)
        err = keel_runtime_dump(rt, &all, &(keel_dump_opts){ .max_tasks = KEEL_UNLIMITED });
    size_t lines = 0;
    for (size_t i = 0; i < all.len; i++)
        lines += all.ptr[i] == '\n';
    keel_buf_deinit(&all);
    keel_err_free(keel_group_wait(group)); /* they do nothing */
    KEEL_TRY(err);
    check(lines == 2002);
    return NULL;
}

static void only_so_many_are_told_of_but_all_are_counted(void **state)
{
    named n = { 0 };

    (void)state;
    assert_ok(run_on(NULL, 1, dump_some, &n));
    assert_memory_equal(keel_buf_text(&n.text), "keel: 2001 tasks, 1 worker\nT1 ", 30);
    assert_non_null(strstr(keel_buf_text(&n.text), "\nT3 "));
    assert_null(strstr(keel_buf_text(&n.text), "\nT4 "));
    assert_non_null(strstr(keel_buf_text(&n.text), "\nand 1998 more\n"));
    json_t *dump = parse(&n.json);
    assert_int_equal(json_integer_value(json_object_get(dump, "task_count")), 2001);
    assert_int_equal(json_array_size(json_object_get(dump, "tasks")), 1000);
    json_decref(dump);
    keel_buf_deinit(&n.json);
    keel_buf_deinit(&n.text);
}

static void a_runtime_without_tasks_has_a_short_dump(void **state)
{
    keel_runtime *rt;
    keel_buf buf = { 0 };

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    assert_ok(keel_runtime_dump(rt, &buf, NULL));
    assert_ok(keel_runtime_dump(rt, &buf, &(keel_dump_opts){ .json = true }));
    assert_string_equal(keel_buf_text(&buf), "keel: 0 tasks, 2 workers\n"
                                             "{\"workers\":2,\"task_count\":0,\"tasks\":[]}");
    keel_buf_deinit(&buf);
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- While all is moving ---- */

typedef struct churn {
    keel_runtime *rt;
    keel_mutex mutex;
    keel_chan *chan;
    keel__a32 over;
} churn;

static keel_err *brief(keel_ctx *ctx, void *c_)
{
    churn *c = c_;

    KEEL_TRY(keel_task_label("round", "1"));
    keel_mutex_lock(&c->mutex);
    keel_yield();
    keel_mutex_unlock(&c->mutex);
    KEEL_TRY(keel_task_label("round", "2"));
    /* one whose object goes with the wait */
    keel_mutex *own = keel_mem_calloc(1, sizeof *own);
    if (own == NULL)
        return KEEL_ERR_NOMEM;
    keel_mutex_lock(own);
    keel_mutex_unlock(own);
    keel_mem_free(own);
    return keel_chan_try_send(c->chan, &(int){ 0 }) == KEEL_CHAN_DONE
               ? NULL
               : keel_chan_recv(ctx, c->chan, &(int){ 0 });
}

static keel_err *keep_moving(keel_ctx *ctx, void *c_)
{
    churn *c = c_;

    while (keel__load(&c->over) == 0) {
        keel_group *group = keel_group_new(ctx, NULL);

        for (int i = 0; i < 20; i++)
            keel_group_go(group, brief, c);
        keel_err_free(keel_sleep(ctx, KEEL_US(20))); /* or its end */
        keel_group_cancel(group);
        keel_err_free(keel_group_wait(group)); /* some were cancelled */
    }
    return NULL;
}

static void *dump_often(void *c_)
{
    churn *c = c_;
    keel_err *err = NULL;

    for (int i = 0; i < 100 && err == NULL; i++) {
        keel_buf buf = { 0 };

        err = keel_runtime_dump(c->rt, &buf, &(keel_dump_opts){ .json = i % 4 != 0 });
        if (i % 4 != 0 && err == NULL) {
            json_t *dump = parse(&buf);

            if (dump == NULL)
                err = keel_err_new("not JSON: %s", keel_buf_text(&buf));
            json_decref(dump);
        }
        keel_buf_deinit(&buf);
    }
    keel__store(&c->over, 1);
    return err;
}

static void dumps_are_taken_while_all_workers_are_busy(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        churn c = { 0 };
        pthread_t threads[2];

        assert_ok(keel_chan_new(&c.chan, sizeof(int), &(keel_chan_opts){ .capacity = 4 }));
        assert_ok(keel_runtime_start(&c.rt, &(keel_runtime_opts){ .workers = workers }));
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, dump_often, &c), 0);
        keel_err *err = keel_runtime_run(c.rt, keep_moving, &c);
        for (int i = 0; i < 2; i++) {
            void *late;
            pthread_join(threads[i], &late);
            err = keel_err_join(err, late);
        }
        assert_ok(err);
        while (keel__load_seq(&c.rt->live) != 0)
            sched_yield();
        for (unsigned i = 0; i < workers; i++) /* no mark was left */
            assert_null(c.rt->workers[i].live.first);
        assert_ok(keel_runtime_stop(NULL, c.rt));
        keel_chan_free(c.chan);
    }
}

/* ---- Without memory ---- */

static keel_err *dump_twice(keel_ctx *ctx, void *arg)
{
    keel_buf buf = { 0 };
    keel_runtime *rt = keel_ctx_runtime(ctx);

    (void)arg;
    keel_err *err = keel_task_label("key", "value");
    if (err == NULL)
        err = keel_runtime_dump(rt, &buf, NULL);
    if (err == NULL)
        err = keel_runtime_dump(rt, &buf, &(keel_dump_opts){ .json = true });
    keel_buf_deinit(&buf);
    return err;
}

static keel_err *dump_in_runtime(void *rt_)
{
    keel_runtime *rt = rt_;
    keel_err *err = keel_runtime_run(rt, dump_twice, NULL);

    while (keel__load_seq(&rt->live) != 0)
        sched_yield(); /* what it left is freed by its worker */
    return err;
}

static void without_memory_there_is_no_dump_and_nothing_is_left(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    assert_ok(dump_in_runtime(rt)); /* the stack is there */
    support_mem_torture(dump_in_runtime, rt, NULL);
    for (unsigned i = 0; i < rt->worker_count; i++)
        assert_null(rt->workers[i].live.first);
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Misuse ---- */

static void dump_nothing(void *buf)
{
    keel_err_free(keel_runtime_dump(NULL, buf, NULL));
}

static void dump_nowhere(void *rt)
{
    keel_err_free(keel_runtime_dump(rt, NULL, NULL));
}

static void label_nothing(void *arg)
{
    (void)arg;
    keel_err_free(keel_task_label(NULL, "x"));
}

static void null_is_misuse(void **state)
{
    keel_buf buf = { 0 };

    (void)state;
    support_assert_aborts(dump_nothing, &buf, "keel_runtime_dump: rt is NULL");
    support_assert_aborts(dump_nowhere, &buf, "keel_runtime_dump: out is NULL");
    support_assert_aborts(label_nothing, NULL, "keel_task_label: key is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(every_wait_is_told_with_its_kind_and_object),
        support_test(the_text_says_the_same_a_task_to_a_line),
        support_test(the_json_is_valid_whatever_names_and_labels_hold),
        support_test(labels_are_set_replaced_and_taken_away),
        support_test(of_very_many_labels_the_first_are_told),
        support_test(the_part_of_a_stack_that_was_touched_is_told),
        support_test(only_so_many_are_told_of_but_all_are_counted),
        support_test(a_runtime_without_tasks_has_a_short_dump),
        support_test(dumps_are_taken_while_all_workers_are_busy),
        support_test(without_memory_there_is_no_dump_and_nothing_is_left),
        support_test(null_is_misuse),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
