/* SPDX-License-Identifier: MIT */
#include "net/slot.h"

#include <errno.h>
#include <unistd.h>

#include <sys/epoll.h>

#include <keel/group.h>

#include "task/group.h"
#include "task/uverr.h"

/* A poller is an epoll descriptor that its worker's loop looks at: edge-triggered, so that a descriptor is told
 * of once and the kernel not asked again at each wait, as libuv's own handles do. */

enum { BATCH = 128 };

/* Edges of sockets; on the worker's native stack. */
static void on_ready(uv_poll_t *handle, int status, int events)
{
    keel__poller *poller = handle->data;
    struct epoll_event ready[BATCH];
    int count;

    (void)status, (void)events;
    do {
        count = epoll_wait(poller->fd, ready, BATCH, 0);
        for (int i = 0; i < count; i++) {
            const uint32_t what = ready[i].events;
            const bool broken = (what & (EPOLLHUP | EPOLLERR)) != 0;
            const bool unsure = broken || (what & (EPOLLRDHUP | EPOLLPRI)) != 0;

            keel__slot_event(ready[i].data.ptr, unsure || (what & EPOLLIN) != 0,
                             broken || (what & EPOLLOUT) != 0, unsure);
        }
    } while (count == BATCH);
}

/* On its own worker: a loop belongs to its thread. */
static keel_err *start(keel__poller *poller)
{
    if (keel__load(&poller->started) != 0)
        return NULL;
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0)
        return keel_err_from_errno(errno, "events of sockets");
    int status = uv_poll_init(&poller->worker->loop.uv, &poller->handle, poller->fd);
    if (status != 0) {
        close(poller->fd);
        return keel__err_from_uv(status, "events of sockets");
    }
    poller->handle.data = poller;
    (void)uv_poll_start(&poller->handle, UV_READABLE, on_ready); /* only fails if it was started */
    keel__publish(poller->worker->handles, poller->worker->handles + 1);
    keel__tsan_release(&poller->worker->loop); /* the worker's own stack uses the descriptor */
    keel__store(&poller->started, 1);
    return NULL;
}

void keel__poller_stop(keel__poller *poller)
{
    if (keel__load(&poller->started) == 0)
        return;
    keel__publish(poller->worker->handles, poller->worker->handles - 1);
    uv_close((uv_handle_t *)&poller->handle, NULL);
    uv_run(&poller->worker->loop.uv, UV_RUN_NOWAIT); /* the handle is in memory that goes */
    close(poller->fd);
}

typedef struct starting {
    keel__poller *poller;
    keel_err *err;
} starting;

static keel_err *start_there(keel_ctx *ctx, void *arg)
{
    starting *s = arg;

    (void)ctx;
    s->err = start(s->poller);
    return NULL;
}

static void no_stack(void *arg, keel_err *err)
{
    ((starting *)arg)->err = err;
}

/* For who is on none of the runtime's workers: that of the first. */
static keel_err *start_from_outside(keel__poller *poller)
{
    starting s = { .poller = poller };
    const keel__placed what = { .fn = start_there, .failed = no_stack, .arg = &s };
    keel_group *group = keel_group_new(NULL, &(keel_group_opts){ .runtime = poller->worker->rt });
    keel_err *broken = keel_ctx_err(keel_group_ctx(group));

    if (broken == NULL &&
        !keel__group_go_on(group, poller->worker->index, &what, "keel_stream", "keel_stream"))
        s.err = KEEL_ERR_NOMEM;
    keel_err *err = keel_group_wait(group);
    return err != NULL ? err : s.err;
}

keel_err *keel__poller_get(keel__poller **out, keel__streams *streams)
{
    keel__worker *self = keel__worker_self();

    if (self != NULL && self->rt == streams->rt) {
        *out = &streams->pollers[self->index];
        return start(*out);
    }
    *out = &streams->pollers[0];
    return keel__load(&(*out)->started) != 0 ? NULL : start_from_outside(*out);
}

keel_err *keel__poller_add(keel__poller *poller, keel__slot *slot)
{
    struct epoll_event wanted = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
        .data = { .ptr = slot },
    };

    if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, slot->fd, &wanted) != 0)
        return keel_err_from_errno(errno, "events of a socket");
    return NULL;
}
