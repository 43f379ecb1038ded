/* SPDX-License-Identifier: MIT */
/* What is everybody waiting for?
 *
 * Shows:  keel_runtime_dump, labels of tasks; the same comes on standard error when a program of keel_main gets
 *         SIGQUIT (Ctrl-\).
 * Run:    ./tasks_dump
 * Prints: a line for each of four tasks
 */
#include <stdio.h>

#include <keel/keel.h>

typedef struct shop {
    keel_mutex till;
    keel_chan *orders;
} shop;

static keel_err *serve(keel_ctx *ctx, void *arg)
{
    shop *s = arg;
    int order;

    KEEL_TRY(keel_task_label("desk", "north"));
    keel_mutex_lock(&s->till);
    keel_err *err = keel_chan_recv(ctx, s->orders, &order); /* with the till in hand */
    keel_mutex_unlock(&s->till);
    return err;
}

static keel_err *count(keel_ctx *ctx, void *arg)
{
    shop *s = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1))); /* until somebody serves */
    KEEL_TRY(keel_mutex_lock_ctx(ctx, &s->till));
    keel_mutex_unlock(&s->till);
    return NULL;
}

static keel_err *clean(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_sleep(ctx, KEEL_HOUR(1));
}

static keel_err *work(keel_ctx *ctx, void *arg)
{
    shop s = { 0 };
    keel_buf text = { 0 };

    (void)arg;
    KEEL_TRY(keel_chan_new(&s.orders, sizeof(int), NULL));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, serve, &s);
    keel_group_go(group, count, &s);
    keel_group_go(group, clean, NULL);
    keel_err *err = keel_sleep(ctx, KEEL_MS(50));
    if (err == NULL)
        err = keel_runtime_dump(keel_ctx_runtime(ctx), &text, NULL);
    fputs(keel_buf_text(&text), stdout);
    keel_buf_deinit(&text);

    keel_group_cancel(group);
    keel_err_free(keel_group_wait(group)); /* they were told to stop */
    keel_chan_free(s.orders);
    return err;
}

int main(void)
{
    return keel_main_opts(work, NULL, &(keel_runtime_opts){ .workers = 1 });
}
