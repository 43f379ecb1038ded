/* SPDX-License-Identifier: MIT */
#include <keel/sim_net.h>

#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "task/ctx.h"
#include "task/sim_net.h"
#include "task/worker.h"

#define BUFFER_BYTES ((size_t)16 << 10)
#define BUFFER_MAX_BYTES ((size_t)1 << 30)

typedef struct host_task {
    keel__task task;
    keel_sim_host *host;
    keel_task_fn fn;
    void *arg;
} host_task;

static void need(const void *object, const char *function, const char *what)
{
    if (object == NULL)
        keel__misuse("%s: the %s is NULL", function, what);
}

/* ---- Networks ---- */

bool keel__net_link_valid(const keel_sim_link_opts *opts)
{
    return opts->min_latency_ns >= 0 && opts->max_latency_ns >= 0;
}

keel_err *keel__net_make(keel_sim_net **out, const keel_sim_net_opts *opts_, bool needs_runtime)
{
    keel_sim_net_opts opts = opts_ != NULL ? *opts_ : (keel_sim_net_opts){ 0 };
    const keel__worker *self = keel__worker_self();

    *out = NULL;
    if (opts.runtime == NULL && self != NULL)
        opts.runtime = self->rt;
    if (opts.runtime == NULL && needs_runtime)
        return KEEL_ERR_NO_RUNTIME;
    if (opts.buffer_bytes == 0)
        opts.buffer_bytes = BUFFER_BYTES;
    if (!keel__net_link_valid(&opts.link))
        return keel_err_wrap(KEEL_ERR_INVAL, "a simulated network: a latency is negative");
    if (opts.buffer_bytes > BUFFER_MAX_BYTES)
        return keel_err_wrap(KEEL_ERR_INVAL, "a simulated network: buffers of %zu bytes",
                             opts.buffer_bytes);
    keel_sim_net *net = keel_mem_calloc(1, sizeof *net);
    if (net == NULL)
        return KEEL_ERR_NOMEM;
    net->rt = needs_runtime ? opts.runtime : NULL;
    net->opts = opts;
    net->refs = 1;
    *out = net;
    return NULL;
}

keel_err *keel_sim_net_new(keel_sim_net **out, const keel_sim_net_opts *opts)
{
    return keel__net_make(out, opts, true);
}

/* ---- Links ---- */

keel__net_link *keel__net_link_between(keel_sim_host *from, keel_sim_host *to)
{
    return from->index < to->index ? &to->links[2 * from->index] : &from->links[2 * to->index + 1];
}

/* What is done to one link. */
typedef void (*link_fn)(keel_sim_net *net, keel__net_link *link, const keel_sim_link_opts *opts,
                        keel__net_todo *todo);

/* Does it to every link from `from` to `to`, where NULL is every host but the other. */
static void each_link(keel_sim_net *net, const keel_sim_host *from, const keel_sim_host *to,
                      link_fn fn, const keel_sim_link_opts *opts, keel__net_todo *todo)
{
    for (keel__link *a = net->hosts.first; a != NULL; a = a->next) {
        keel_sim_host *one = keel__container(a, keel_sim_host, link);

        for (keel__link *b = net->hosts.first; b != NULL; b = b->next) {
            keel_sim_host *other = keel__container(b, keel_sim_host, link);
            bool wildcard = from == NULL || to == NULL;

            if ((from == NULL || from == one) && (to == NULL || to == other) &&
                !(wildcard && one == other))
                fn(net, keel__net_link_between(one, other), opts, todo);
        }
    }
}

static void change_links(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b, bool one_way,
                         link_fn fn, const keel_sim_link_opts *opts)
{
    keel__net_todo todo = { 0 };

    keel__spin_lock(&net->lock);
    each_link(net, a, b, fn, opts, &todo);
    if (!one_way && a != b)
        each_link(net, b, a, fn, opts, &todo);
    keel__net_unlock(net, &todo);
}

static void set_link(keel_sim_net *net, keel__net_link *link, const keel_sim_link_opts *opts,
                     keel__net_todo *todo)
{
    (void)net;
    (void)todo;
    link->opts = opts != NULL ? *opts : (keel_sim_link_opts){ 0 };
}

static void cut_link(keel_sim_net *net, keel__net_link *link, const keel_sim_link_opts *opts,
                     keel__net_todo *todo)
{
    (void)net;
    (void)opts;
    (void)todo;
    link->cut = true;
}

static void heal_link(keel_sim_net *net, keel__net_link *link, const keel_sim_link_opts *opts,
                      keel__net_todo *todo)
{
    (void)opts;
    if (!link->cut)
        return;
    link->cut = false;
    for (keel__link *at = net->pairs.first; at != NULL; at = at->next) {
        keel__net_pair *pair = keel__container(at, keel__net_pair, link);

        for (unsigned side = 0; side < 2; side++)
            if (pair->pipes[side].link == link)
                keel__net_resend(&pair->ends[side], todo);
    }
}

static keel_err *link_hosts(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b, bool one_way,
                            const keel_sim_link_opts *opts)
{
    if (opts != NULL && !keel__net_link_valid(opts))
        return keel_err_wrap(KEEL_ERR_INVAL, "keel_sim_net_link: a latency is negative");
    change_links(net, a, b, one_way, set_link, opts);
    return NULL;
}

keel_err *keel_sim_net_link(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b,
                            const keel_sim_link_opts *opts)
{
    need(net, "keel_sim_net_link", "network");
    keel__point(KEEL__OP_NET_LINK, net);
    return link_hosts(net, a, b, false, opts);
}

keel_err *keel_sim_net_link_one_way(keel_sim_net *net, keel_sim_host *from, keel_sim_host *to,
                                    const keel_sim_link_opts *opts)
{
    need(net, "keel_sim_net_link_one_way", "network");
    keel__point(KEEL__OP_NET_LINK, net);
    return link_hosts(net, from, to, true, opts);
}

void keel_sim_net_partition(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b)
{
    need(net, "keel_sim_net_partition", "network");
    keel__point(KEEL__OP_NET_CUT, net);
    change_links(net, a, b, false, cut_link, NULL);
}

void keel_sim_net_partition_one_way(keel_sim_net *net, keel_sim_host *from, keel_sim_host *to)
{
    need(net, "keel_sim_net_partition_one_way", "network");
    keel__point(KEEL__OP_NET_CUT, net);
    change_links(net, from, to, true, cut_link, NULL);
}

void keel_sim_net_heal(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b)
{
    need(net, "keel_sim_net_heal", "network");
    keel__point(KEEL__OP_NET_HEAL, net);
    change_links(net, a, b, false, heal_link, NULL);
}

/* ---- Tasks of hosts ---- */

/* A task of the host has ended. The host may be gone when this returns. Takes `err`. */
static void leave(keel_sim_host *host, keel_err *err)
{
    keel_sim_net *net = host->net;
    keel__net_todo todo = { 0 };

    if (err != NULL)
        keel__ctx_cancel(host->ctx, keel_err_retain(err));
    keel__order_release(host);
    keel__spin_lock(&net->lock);
    if (host->alive && host->err == NULL) {
        host->err = err;
        err = NULL;
    }
    if (--host->running == 0)
        keel__net_wake(&host->idle, &todo);
    keel__net_unlock(net, &todo);
    keel_err_free(err);
}

static void run_task(keel__task *task_)
{
    host_task *task = keel__container(task_, host_task, task);

    keel__tsan_acquire(task_);
    keel__order_acquire(task_);
    leave(task->host, task->fn(task->host->ctx, task->arg));
}

static bool fail_task(keel__task *task_, keel_err *err)
{
    host_task *task = keel__container(task_, host_task, task);

    leave(task->host, keel_err_wrap(err, "start of task '%s' (%s) of host '%s'", task_->name,
                                    task_->where, task->host->name));
    return true;
}

static void free_task(keel__task *task)
{
    keel__tsan_acquire(task); /* the spawner's writes to it */
    keel_mem_free(keel__container(task, host_task, task));
}

/* One of its own tasks that waits for all of them waits for ever. */
static void refuse_own_task(const keel_sim_net *net, const keel_sim_host *host,
                            const char *function)
{
    keel__task *self = keel__task_self();

    if (self == NULL || self->run != run_task)
        return;
    const keel_sim_host *own = keel__container(self, host_task, task)->host;
    if (own == host || (host == NULL && own->net == net))
        keel__misuse("%s: called by task '%s' (%s) of host '%s', for which it would wait", function,
                     self->name, self->where, own->name);
}

static host_task *make_task(keel_sim_host *host, keel_task_fn fn, void *arg, const char *name,
                            const char *where)
{
    host_task *task = keel_mem_calloc(1, sizeof *task);

    if (task == NULL)
        return NULL;
    *task = (host_task){ .host = host, .fn = fn, .arg = arg };
    task->task.rt = host->net->rt;
    task->task.name = name;
    task->task.where = where;
    task->task.stack_bytes = host->opts.stack_bytes;
    task->task.run = run_task;
    task->task.failed = fail_task;
    task->task.free = free_task;
    return task;
}

static void spawn(host_task *task)
{
    keel__tsan_release(&task->task);
    keel__order_release(&task->task);
    keel__task_spawn(&task->task);
}

keel_err *keel_sim_host_go_at(keel_sim_host *host, keel_task_fn fn, void *arg, const char *name,
                              const char *where)
{
    need(host, "keel_sim_host_go", "host");
    keel__point(KEEL__OP_HOST_GO, host);
    host_task *task = make_task(host, fn, arg, name, where);
    if (task == NULL)
        return KEEL_ERR_NOMEM;
    keel__spin_lock(&host->net->lock);
    bool alive = host->alive;
    host->running += alive;
    keel__spin_unlock(&host->net->lock);
    if (!alive) {
        keel_mem_free(task);
        return KEEL_ERR_CLOSED;
    }
    spawn(task);
    return NULL;
}

/* ---- Hosts ---- */

const char *keel_sim_host_name(const keel_sim_host *host)
{
    return host->name;
}

static const char host_key;
KEEL_ANY_TYPE_STATIC(keel_sim_host);

keel_sim_host *keel__net_host_of(keel_ctx *ctx)
{
    return KEEL_ANY_AS(keel_ctx_value(ctx, &host_key), keel_sim_host);
}

/* What a life begins with. */
typedef struct life {
    keel_ctx *ctx;
    host_task *start; /* NULL: nothing to start */
} life;

/* Makes it; false without memory. */
static bool prepare_life(keel_sim_host *host, life *next)
{
    keel_runtime *rt = host->net->rt;

    *next = (life){ .ctx = keel_ctx_with_value(rt->root, &host_key,
                                               KEEL_ANY_PTR(keel_sim_host, host)) };
    if (next->ctx->fixed) /* without memory */
        next->ctx = NULL;
    if (next->ctx != NULL && host->opts.start != NULL)
        next->start = make_task(host, host->opts.start, host->opts.arg, "start", host->name);
    if (next->ctx != NULL && (next->start != NULL || host->opts.start == NULL))
        return true;
    keel__ctx_free(next->ctx);
    return false;
}

static void begin_life(keel_sim_host *host, const life *next)
{
    keel__spin_lock(&host->net->lock);
    host->ctx = next->ctx;
    host->alive = true;
    host->running += next->start != NULL;
    keel__spin_unlock(&host->net->lock);
    if (next->start != NULL)
        spawn(next->start);
}

keel_sim_host *keel__net_find_host(keel_sim_net *net, const char *name)
{
    for (keel__link *link = net->hosts.first; link != NULL; link = link->next) {
        keel_sim_host *host = keel__container(link, keel_sim_host, link);

        if (strcmp(host->name, name) == 0)
            return host;
    }
    return NULL;
}

static void free_host(keel_sim_host *host)
{
    if (host != NULL)
        keel_mem_free(host->links);
    keel_mem_free(host);
}

static keel_sim_host *make_host(keel_sim_net *net, const char *name, const keel_sim_host_opts *opts,
                                size_t index)
{
    size_t name_bytes = strlen(name) + 1;
    keel_sim_host *host = keel_mem_calloc(1, sizeof *host + name_bytes);

    if (host == NULL)
        return NULL;
    host->net = net;
    host->index = index;
    host->links = keel_mem_calloc(2 * (index + 1), sizeof *host->links);
    if (host->links == NULL) {
        free_host(host);
        return NULL;
    }
    for (size_t i = 0; i < 2 * index; i++)
        host->links[i].opts = net->opts.link;
    if (opts != NULL)
        host->opts = *opts;
    memcpy(host->name, name, name_bytes);
    return host;
}

/* Adds a host whose index is to be `index`. EXISTS: there is one of that name; BUSY: no more. */
static keel_err *try_add(keel_sim_net *net, const char *name, const keel_sim_host_opts *opts,
                         size_t index, keel_sim_host **out)
{
    life first;
    keel_sim_host *host = make_host(net, name, opts, index);

    if (host == NULL)
        return KEEL_ERR_NOMEM;
    if (!prepare_life(host, &first)) {
        free_host(host);
        return KEEL_ERR_NOMEM;
    }
    keel__spin_lock(&net->lock);
    bool exists = keel__net_find_host(net, name) != NULL, taken = net->host_count != index;
    if (!exists && !taken) {
        keel__list_push(&net->hosts, &host->link);
        net->host_count++;
    }
    keel__spin_unlock(&net->lock);
    if (exists || taken) {
        keel__ctx_free(first.ctx);
        if (first.start != NULL)
            keel_mem_free(first.start);
        free_host(host);
        return exists ? keel_err_wrap(KEEL_ERR_EXISTS, "host '%s'", name) : KEEL_ERR_BUSY;
    }
    begin_life(host, &first);
    *out = host;
    return NULL;
}

keel_err *keel_sim_net_add_host(keel_sim_net *net, const char *name, const keel_sim_host_opts *opts,
                                keel_sim_host **out)
{
    keel_err *err;

    *out = NULL;
    need(net, "keel_sim_net_add_host", "network");
    need(name, "keel_sim_net_add_host", "name");
    if (opts != NULL && opts->stack_bytes != 0 &&
        (opts->stack_bytes < KEEL__STACK_MIN_BYTES || opts->stack_bytes > KEEL__STACK_MAX_BYTES))
        return keel_err_wrap(KEEL_ERR_INVAL, "host '%s': stacks of %zu bytes", name,
                             opts->stack_bytes);
    do {
        keel__spin_lock(&net->lock);
        size_t index = net->host_count;
        keel__spin_unlock(&net->lock);
        err = try_add(net, name, opts, index, out);
    } while (err == KEEL_ERR_BUSY); /* another host got that index */
    return err;
}

/* ---- Life and death ---- */

/* Under the lock: nothing of the host is connected any more. */
static void disconnect(keel_sim_host *host, keel__net_todo *todo)
{
    keel_sim_net *net = host->net;

    for (keel__link *link = net->pairs.first; link != NULL; link = link->next) {
        keel__net_pair *pair = keel__container(link, keel__net_pair, link);

        for (unsigned side = 0; side < 2; side++) {
            keel_sim_conn *end = &pair->ends[side];

            if (end->host == host && end->held) {
                end->discards = true;
                keel__net_break(end, todo);
            }
        }
    }
    while (host->listeners.first != NULL)
        keel__net_stop_listening(keel__container(host->listeners.first, keel_sim_listener, link),
                                 todo);
}

static void kill_host(keel_sim_host *host)
{
    keel_sim_net *net = host->net;
    keel__net_todo todo = { 0 };
    keel_err *err = NULL;
    keel_ctx *ctx = NULL;

    keel__order_release(host);
    keel__spin_lock(&net->lock);
    net->refs++; /* the tasks may end, and the network be freed, before this returns */
    if (host->alive) {
        host->alive = false;
        ctx = keel__ctx_retain(host->ctx);
        err = host->err;
        host->err = NULL;
        disconnect(host, &todo);
    }
    keel__net_unlock(net, &todo);
    if (ctx != NULL) {
        keel__ctx_cancel(ctx, NULL);
        keel__ctx_release(ctx);
    }
    keel_err_free(err);

    keel__net_todo done = { 0 };
    keel__spin_lock(&net->lock);
    keel__net_unref(net, &done);
    keel__net_unlock(net, &done);
}

void keel_sim_host_kill(keel_sim_host *host)
{
    need(host, "keel_sim_host_kill", "host");
    keel__point(KEEL__OP_HOST_KILL, host);
    kill_host(host);
}

/* Waits until no task of the host runs; with `settled`, also until no restart is under way. */
static void wait_idle(keel_sim_host *host, bool settled)
{
    for (;;) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_HOST_WAIT, host);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

        keel__spin_lock(&host->net->lock);
        bool busy = host->running > 0 || (settled && host->restarting);
        if (busy)
            keel__waitq_push(&host->idle, &waiter);
        keel__spin_unlock(&host->net->lock);
        if (!busy)
            break;
        keel__wait_end(&wait, NULL, KEEL__NO_TIMEOUT);
    }
    keel__order_acquire(host);
}

/* Gives up the context of a life that is over. */
static void end_life(keel_sim_host *host)
{
    keel__spin_lock(&host->net->lock);
    keel_ctx *ctx = host->ctx;
    host->ctx = NULL;
    keel__spin_unlock(&host->net->lock);
    keel__ctx_free(ctx);
}

keel_err *keel_sim_host_restart(keel_sim_host *host)
{
    keel__net_todo todo = { 0 };

    need(host, "keel_sim_host_restart", "host");
    refuse_own_task(host->net, host, "keel_sim_host_restart");
    keel__point(KEEL__OP_HOST_RESTART, host);
    keel__spin_lock(&host->net->lock);
    bool twice = host->restarting;
    host->restarting = true;
    keel__spin_unlock(&host->net->lock);
    if (twice)
        keel__misuse("keel_sim_host_restart: host '%s' is being restarted by another", host->name);

    kill_host(host);
    wait_idle(host, false);
    end_life(host);
    life next;
    bool prepared = prepare_life(host, &next);
    if (prepared)
        begin_life(host, &next);

    keel__spin_lock(&host->net->lock);
    host->restarting = false;
    keel__net_wake(&host->idle, &todo);
    keel__net_unlock(host->net, &todo);
    return prepared ? NULL : KEEL_ERR_NOMEM;
}

keel_err *keel_sim_host_wait(keel_sim_host *host)
{
    need(host, "keel_sim_host_wait", "host");
    refuse_own_task(host->net, host, "keel_sim_host_wait");
    keel__point(KEEL__OP_HOST_WAIT, host);
    wait_idle(host, true);
    keel__spin_lock(&host->net->lock);
    keel_err *err = host->err;
    host->err = NULL;
    keel__spin_unlock(&host->net->lock);
    return err;
}

void keel_sim_net_free(keel_sim_net *net)
{
    keel__net_todo todo = { 0 };

    if (net == NULL)
        return;
    refuse_own_task(net, NULL, "keel_sim_net_free");
    for (keel__link *link = net->hosts.first; link != NULL; link = link->next) {
        keel_sim_host *host = keel__container(link, keel_sim_host, link);

        keel__point(KEEL__OP_HOST_KILL, host);
        kill_host(host);
    }
    for (keel__link *link = net->hosts.first; link != NULL; link = link->next) {
        keel_sim_host *host = keel__container(link, keel_sim_host, link);

        keel__point(KEEL__OP_HOST_WAIT, host);
        wait_idle(host, true);
        end_life(host);
    }
    keel__spin_lock(&net->lock);
    keel__net_unref(net, &todo);
    keel__net_unlock(net, &todo);
}
