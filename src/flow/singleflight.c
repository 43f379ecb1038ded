/* SPDX-License-Identifier: MIT */
#include <keel/singleflight.h>

#include <string.h>

#include <keel/group.h>
#include <keel/mem.h>
#include <keel/sync.h>

#include "base/atomic.h"
#include "base/process.h"
#include "base/sim_hook.h"
#include "task/group.h"

/* A call that is under way. Its task owns it, and each that waits. */
typedef struct flight {
    keel_flights *flights;
    keel_flight_fn fn;
    void *arg;
    keel_ctx *ctx;
    keel_waitgroup flying; /* one until it has landed; before that, err and landed are the task's */
    keel_err *err;
    bool has_value;
    keel__a32 refs;
    keel__a32 lost; /* it has ended without a stack to run on */
    size_t waiting; /* guarded by the lock, like the next */
    bool mapped;    /* found by its key */
    keel_str key;   /* behind the value */
    _Alignas(16) unsigned char value[];
} flight;

#define KEEL_MAP_NAME flight_map
#define KEEL_MAP_BORROWED_KEYS
#define KEEL_MAP_VALUE flight *
#include <keel/map.h>

/* `lock` guards what follows it. It is none that spins, because the map allocates. */
struct keel_flights {
    keel_flights_opts opts; /* complete */
    size_t value_bytes;
    const char *where; /* it was made */
    keel_group *group;
    keel_ctx *ctx; /* the group's, the parent of all flights' */
    keel_mutex lock;
    flight_map map;
    unsigned next_place;
    keel_flights_stats stats; /* but for the next */
    keel__asize flying;       /* not guarded */
};

keel_err *keel_flights_new_at(const char *where, keel_ctx *ctx, keel_flights **out,
                              size_t value_bytes, const keel_flights_opts *given)
{
    keel_flights_opts opts = given != NULL ? *given : (keel_flights_opts){ 0 };

    keel__need(out != NULL, "keel_flights_new", "out");
    *out = NULL;
    KEEL_TRY(keel_ctx_err(ctx));
    if (opts.name == NULL)
        opts.name = "flight";
    keel_flights *flights = keel_mem_calloc(1, sizeof *flights);
    if (flights == NULL)
        return KEEL_ERR_NOMEM;
    flights->opts = opts;
    flights->value_bytes = value_bytes;
    flights->where = where;
    flights->group = keel_group_new_at(
        where, ctx, &(keel_group_opts){ .limit = KEEL_UNLIMITED, .stack_bytes = opts.stack_bytes });
    flights->ctx = keel_group_ctx(flights->group);
    if (keel_ctx_runtime(flights->ctx) == NULL) { /* the group could not be made */
        keel_err *err = keel_group_wait(flights->group);
        keel_mem_free(flights);
        return err;
    }
    *out = flights;
    return NULL;
}

void keel_flights_free(keel_flights *flights)
{
    if (flights == NULL)
        return;
    keel_err_free(keel_group_wait(flights->group)); /* its tasks return none */
    flight_map_deinit(&flights->map);
    keel_mutex_deinit(&flights->lock);
    keel_mem_free(flights);
}

/* ---- One flight ---- */

static void free_arg(const keel_flights *flights, void *arg)
{
    if (flights->opts.arg_free != NULL)
        flights->opts.arg_free(arg);
}

static void release(flight *f)
{
    if (keel__sub(&f->refs, 1) != 1)
        return;
    if (f->has_value && f->flights->opts.value_free != NULL)
        f->flights->opts.value_free(f->value);
    keel_err_free(f->err);
    keel_ctx_free(f->ctx);
    keel_mem_free(f);
}

/* Under the lock: nobody finds it any more. */
static void unmap(flight *f)
{
    if (f->mapped)
        flight_map_remove(&f->flights->map, f->key, NULL);
    f->mapped = false;
}

/* Hands what came of it to those who wait. Takes `err`, and the task's part in the flight. */
static void land(flight *f, keel_err *err)
{
    f->err = err;
    keel__sub(&f->flights->flying, 1);
    keel_waitgroup_done(&f->flying);
    release(f);
}

/* Its task is over. Who has the value and asks again is to cause a new flight: so it is taken out of the map
 * before anybody is woken. */
static void end(flight *f, keel_err *err)
{
    keel_flights *flights = f->flights;

    free_arg(flights, f->arg);
    keel_mutex_lock(&flights->lock);
    unmap(f);
    keel_mutex_unlock(&flights->lock);
    land(f, err);
}

static keel_err *fly(keel_ctx *ctx, void *arg)
{
    flight *f = arg;

    (void)ctx;
    keel_err *err = keel_ctx_err(f->ctx); /* nobody waits any more: not begun at all */
    if (err == NULL) {
        err = f->fn(f->ctx, f->flights->value_bytes > 0 ? f->value : NULL, f->arg);
        f->has_value = err == NULL;
    }
    end(f, err);
    return NULL;
}

/* There is no stack for it. This must not wait, not even for the lock: those who wait for the flight take it
 * out of the map. */
static void fail_to_fly(void *arg, keel_err *err)
{
    flight *f = arg;

    free_arg(f->flights, f->arg);
    keel__store(&f->lost, 1);
    land(f, err);
}

static keel_err *make(keel_flights *flights, keel_str key, flight **out)
{
    const size_t most = SIZE_MAX - sizeof(flight);

    *out = NULL;
    if (flights->value_bytes > most || key.len > most - flights->value_bytes)
        return KEEL_ERR_NOMEM;
    flight *f = keel_mem_calloc(1, sizeof *f + flights->value_bytes + key.len);
    if (f == NULL)
        return KEEL_ERR_NOMEM;
    f->flights = flights;
    f->refs.v = 2; /* the task's, and that of who causes it */
    keel_waitgroup_add(&f->flying, 1);
    f->key = (keel_str){ (char *)f->value + flights->value_bytes, key.len };
    if (key.len > 0)
        memcpy(f->value + flights->value_bytes, key.ptr, key.len);
    f->ctx = keel_ctx_with_cancel(flights->ctx);
    keel_err *err = keel_err_is(keel_ctx_err(f->ctx), KEEL_ERR_NOMEM)
                        ? KEEL_ERR_NOMEM
                        : flight_map_put(&flights->map, f->key, f);
    if (err != NULL) {
        keel_ctx_free(f->ctx);
        keel_mem_free(f);
        return err;
    }
    f->mapped = true;
    keel__add(&flights->flying, 1);
    *out = f;
    return NULL;
}

/* ---- Those who wait ---- */

/* The flight of that key, one that is new if there is none: then it must be started. */
static keel_err *join(keel_flights *flights, keel_str key, flight **out, bool *started)
{
    keel_err *err = NULL;

    keel_mutex_lock(&flights->lock);
    flight **found = flight_map_get(&flights->map, key);
    flight *f = found != NULL ? *found : NULL;
    if (f != NULL && keel__load(&f->lost) != 0) {
        unmap(f); /* it has ended, and nobody could take it out then */
        f = NULL;
    }
    *started = f == NULL;
    if (f != NULL) {
        keel__add(&f->refs, 1);
        flights->stats.joined++;
    } else {
        err = make(flights, key, &f);
        flights->stats.started += err == NULL;
    }
    if (f != NULL)
        f->waiting++;
    keel_mutex_unlock(&flights->lock);
    *out = f;
    return err;
}

static void start(flight *f)
{
    keel_flights *flights = f->flights;
    const keel__placed what = { fly, fail_to_fly, f };

    keel_mutex_lock(&flights->lock);
    const unsigned place = flights->next_place++;
    keel_mutex_unlock(&flights->lock);
    if (!keel__group_go_on(flights->group, place, &what, flights->opts.name, flights->where))
        end(f, KEEL_ERR_NOMEM);
}

/* One waits no more, because the flight has landed, or because of its own context. The last one to leave a
 * flight that is under way ends it, and from then on nobody joins it. */
static void leave(flight *f, bool landed)
{
    keel_flights *flights = f->flights;

    keel_mutex_lock(&flights->lock);
    const bool last = --f->waiting == 0;
    if (last)
        unmap(f);
    flights->stats.abandoned += last && !landed;
    keel_mutex_unlock(&flights->lock);
    if (last)
        keel_ctx_cancel(f->ctx);
    release(f);
}

/* What came of it, for one of those who wait. */
static keel_err *take(const flight *f, void *out)
{
    const keel_flights *flights = f->flights;

    if (f->err != NULL)
        return keel_err_retain(f->err);
    if (out == NULL || flights->value_bytes == 0)
        return NULL;
    if (flights->opts.value_copy != NULL)
        return flights->opts.value_copy(out, f->value);
    memcpy(out, f->value, flights->value_bytes);
    return NULL;
}

static keel_err *fly_or_join(keel_ctx *ctx, keel_flights *flights, keel_str key, keel_flight_fn fn,
                             void *arg, void *out, bool *shared)
{
    flight *f = NULL;
    bool started = false;

    keel_err *err = keel_ctx_err(ctx);
    if (err == NULL)
        err = keel_ctx_err(flights->ctx);
    if (err == NULL)
        err = join(flights, key, &f, &started);
    if (err != NULL || !started)
        free_arg(flights, arg);
    if (err != NULL)
        return err;
    *shared = !started;
    if (started) {
        f->fn = fn;
        f->arg = arg;
        start(f);
    }
    err = keel_waitgroup_wait(ctx, &f->flying);
    const bool landed = err == NULL;
    if (landed)
        err = take(f, out);
    leave(f, landed);
    return err;
}

keel_err *keel_flights_do(keel_ctx *ctx, keel_flights *flights, keel_str key, keel_flight_fn fn,
                          void *arg, void *out, bool *shared)
{
    bool joined = false;

    keel__need(flights != NULL, "keel_flights_do", "flights");
    keel__need(fn != NULL, "keel_flights_do", "fn");
    keel__point(KEEL__OP_FLIGHT, flights);
    keel_err *err = fly_or_join(ctx, flights, key, fn, arg, out, &joined);
    if (err != NULL && out != NULL && flights->value_bytes > 0)
        memset(out, 0, flights->value_bytes);
    if (shared != NULL)
        *shared = joined;
    return err;
}

void keel_flights_forget(keel_flights *flights, keel_str key)
{
    keel__need(flights != NULL, "keel_flights_forget", "flights");
    keel__point(KEEL__OP_FLIGHT, flights);
    keel_mutex_lock(&flights->lock);
    flight **found = flight_map_get(&flights->map, key);
    if (found != NULL)
        unmap(*found);
    keel_mutex_unlock(&flights->lock);
}

void keel_flights_get_stats(keel_flights *flights, keel_flights_stats *out)
{
    keel__need(flights != NULL, "keel_flights_get_stats", "flights");
    keel_mutex_lock(&flights->lock);
    *out = flights->stats;
    out->flying = keel__load(&flights->flying);
    keel_mutex_unlock(&flights->lock);
}
