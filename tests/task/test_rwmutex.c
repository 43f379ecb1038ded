/* SPDX-License-Identifier: MIT */
#include "crew.h"

static void until_readers(keel_rwmutex *rw, size_t count)
{
    crew_until(&rw->keel__lock, &rw->keel__readers, count);
}

static void until_writers(keel_rwmutex *rw, size_t count)
{
    crew_until(&rw->keel__lock, &rw->keel__writers, count);
}

typedef struct user {
    keel_rwmutex *rw;
    keel_ctx *ctx;
    int *shared;
    keel__a32 *inside, *most; /* readers that have it now, and the most there were at once */
    int number, seen;
    keel_err *err;
} user;

static keel_err *read_often(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    for (size_t i = 0; i < repeats(300, 3); i++) {
        keel_rwmutex_rlock(u->rw);
        int before = *u->shared;
        if (i % 10 == 0 || keel_sim_active())
            keel_yield();
        must(*u->shared == before);
        keel_rwmutex_runlock(u->rw);
    }
    return NULL;
}

static keel_err *write_often(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    for (size_t i = 0; i < repeats(300, 3); i++) {
        keel_rwmutex_lock(u->rw);
        int before = *u->shared;
        if (i % 10 == 0 || keel_sim_active())
            keel_yield();
        *u->shared = before + 1;
        keel_rwmutex_unlock(u->rw);
    }
    return NULL;
}

CREW_TEST(a_writer_has_it_alone)
{
    keel_rwmutex rw;
    int shared = 0;
    user u = { .rw = &rw, .shared = &shared };
    crew c;

    (void)arg;
    keel_rwmutex_init(&rw);
    crew_open(&c, ctx);
    for (int i = 0; i < 3; i++) {
        crew_go(&c, write_often, &u);
        crew_go(&c, read_often, &u);
    }
    crew_join(&c);
    must(shared == 3 * (int)repeats(300, 3));
    must(rw.keel__state.v == 0);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

/* Readers meet while they have it: each waits inside for the others. */
static keel_err *read_together(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    keel_rwmutex_rlock(u->rw);
    keel__add(u->inside, 1);
    while (keel__load(u->inside) != 3)
        keel_yield();
    keel_rwmutex_runlock(u->rw);
    return NULL;
}

CREW_TEST(readers_have_it_together)
{
    keel_rwmutex rw = { 0 };
    keel__a32 inside = { 0 };
    user u = { .rw = &rw, .inside = &inside };
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    for (int i = 0; i < 3; i++)
        crew_go(&c, read_together, &u);
    crew_join(&c);
    keel_rwmutex_lock(&rw);
    keel_rwmutex_unlock(&rw);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

static keel_err *write_turn(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    keel_rwmutex_lock(u->rw);
    must(*u->shared == u->number);
    ++*u->shared;
    keel_rwmutex_unlock(u->rw);
    return NULL;
}

/* Sees what there is when it comes in. */
static keel_err *read_turn(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    keel_rwmutex_rlock(u->rw);
    u->seen = *u->shared;
    keel_rwmutex_runlock(u->rw);
    return NULL;
}

CREW_TEST(a_writer_that_waits_is_not_starved_by_readers)
{
    keel_rwmutex rw = { 0 };
    int shared = 0;
    user writer = { .rw = &rw, .shared = &shared }, late = writer;
    crew c;

    (void)arg;
    keel_rwmutex_rlock(&rw);
    crew_open(&c, ctx);
    crew_go(&c, write_turn, &writer);
    until_writers(&rw, 1);
    must(!keel_rwmutex_try_rlock(&rw));
    crew_go(&c, read_turn, &late);
    until_readers(&rw, 1);
    must(shared == 0);
    keel_rwmutex_runlock(&rw);
    crew_join(&c);
    must(late.seen == 1);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

/* Two writers wait, then readers: the first writer lets them in before the second. */
CREW_TEST(readers_that_wait_are_not_starved_by_writers)
{
    keel_rwmutex rw = { 0 };
    int shared = 0;
    user writers[2], readers[2];
    crew c;

    (void)arg;
    keel_rwmutex_lock(&rw);
    crew_open(&c, ctx);
    for (int i = 0; i < 2; i++) {
        writers[i] = (user){ .rw = &rw, .shared = &shared, .number = i };
        crew_go(&c, write_turn, &writers[i]);
        until_writers(&rw, (size_t)i + 1);
    }
    for (int i = 0; i < 2; i++) {
        readers[i] = (user){ .rw = &rw, .shared = &shared, .seen = 9 };
        crew_go(&c, read_turn, &readers[i]);
        until_readers(&rw, (size_t)i + 1);
    }
    keel_rwmutex_unlock(&rw);
    crew_join(&c);
    must(readers[0].seen == 0 && readers[1].seen == 0 && shared == 2);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

CREW_TEST(the_writer_that_waits_longest_is_next)
{
    keel_rwmutex rw = { 0 };
    int shared = 0;
    user writers[4];
    crew c;

    (void)arg;
    keel_rwmutex_rlock(&rw);
    keel_rwmutex_rlock(&rw);
    crew_open(&c, ctx);
    for (int i = 0; i < 4; i++) {
        writers[i] = (user){ .rw = &rw, .shared = &shared, .number = i };
        crew_go(&c, write_turn, &writers[i]);
        until_writers(&rw, (size_t)i + 1);
    }
    keel_rwmutex_runlock(&rw);
    must(shared == 0);
    keel_rwmutex_runlock(&rw);
    crew_join(&c);
    must(shared == 4);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

static keel_err *write_under_ctx(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    u->err = keel_rwmutex_lock_ctx(u->ctx, u->rw);
    if (u->err == NULL) {
        ++*u->shared;
        keel_rwmutex_unlock(u->rw);
    }
    return NULL;
}

static keel_err *read_under_ctx(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    u->err = keel_rwmutex_rlock_ctx(u->ctx, u->rw);
    if (u->err == NULL) {
        u->seen = *u->shared;
        keel_rwmutex_runlock(u->rw);
    }
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_context)
{
    keel_rwmutex rw = { 0 };
    int shared = 0;
    user u = { .rw = &rw, .ctx = keel_ctx_with_cancel(ctx), .shared = &shared };
    user reader = u, writer = u;
    crew c;

    (void)arg;
    keel_rwmutex_lock(&rw);
    crew_open(&c, ctx);
    crew_go(&c, read_under_ctx, &reader);
    until_readers(&rw, 1);
    crew_go(&c, write_under_ctx, &writer);
    until_writers(&rw, 1);
    keel_ctx_cancel(u.ctx);
    crew_join(&c);
    must_err(reader.err, KEEL_ERR_CANCELLED);
    must_err(writer.err, KEEL_ERR_CANCELLED);
    must(shared == 0);
    keel_rwmutex_unlock(&rw);
    must(keel_rwmutex_try_lock(&rw));
    keel_rwmutex_unlock(&rw);
    must_err(keel_rwmutex_lock_ctx(u.ctx, &rw), KEEL_ERR_CANCELLED);
    must_err(keel_rwmutex_rlock_ctx(u.ctx, &rw), KEEL_ERR_CANCELLED);
    must(rw.keel__state.v == 0);
    keel_ctx_free(u.ctx);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_deadline)
{
    keel_rwmutex rw = { 0 };
    int shared = 0;
    user u = { .rw = &rw, .ctx = keel_ctx_with_timeout(ctx, KEEL_MS(1)), .shared = &shared };
    user writer = u;
    crew c;

    (void)arg;
    keel_rwmutex_rlock(&rw);
    crew_open(&c, ctx);
    crew_go(&c, write_under_ctx, &writer);
    crew_join(&c);
    must_err(writer.err, KEEL_ERR_DEADLINE);
    keel_rwmutex_runlock(&rw);
    keel_ctx_free(u.ctx);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

/* Late readers wait for a writer that gives up: they join the reader that has it. */
CREW_TEST(a_writer_that_gives_up_lets_readers_in)
{
    keel_rwmutex rw = { 0 };
    int shared = 7;
    user writer = { .rw = &rw, .ctx = keel_ctx_with_cancel(ctx), .shared = &shared };
    user late = { .rw = &rw, .shared = &shared };
    crew first, second;

    (void)arg;
    keel_rwmutex_rlock(&rw);
    crew_open(&first, ctx);
    crew_open(&second, ctx);
    crew_go(&first, write_under_ctx, &writer);
    until_writers(&rw, 1);
    crew_go(&second, read_turn, &late);
    until_readers(&rw, 1);
    keel_ctx_cancel(writer.ctx);
    crew_join(&first);
    must_err(writer.err, KEEL_ERR_CANCELLED);
    crew_join(&second); /* while the first reader has it */
    must(late.seen == 7);
    must(keel_rwmutex_try_rlock(&rw));
    keel_rwmutex_runlock(&rw);
    keel_rwmutex_runlock(&rw);
    must(rw.keel__state.v == 0);
    keel_ctx_free(writer.ctx);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

/* And if another writer waits still, they wait on. */
CREW_TEST(readers_wait_for_the_writers_that_are_left)
{
    keel_rwmutex rw = { 0 };
    int shared = 0;
    user leaving = { .rw = &rw, .ctx = keel_ctx_with_cancel(ctx), .shared = &shared };
    user staying = { .rw = &rw, .shared = &shared }, late = { .rw = &rw, .shared = &shared };
    crew first, second;

    (void)arg;
    keel_rwmutex_rlock(&rw);
    crew_open(&first, ctx);
    crew_open(&second, ctx);
    crew_go(&first, write_under_ctx, &leaving);
    until_writers(&rw, 1);
    crew_go(&second, write_turn, &staying);
    until_writers(&rw, 2);
    crew_go(&second, read_turn, &late);
    until_readers(&rw, 1);
    keel_ctx_cancel(leaving.ctx);
    crew_join(&first);
    must_err(leaving.err, KEEL_ERR_CANCELLED);
    must(crew_waiting(&rw.keel__lock, &rw.keel__readers) == 1);
    keel_rwmutex_runlock(&rw);
    crew_join(&second);
    must(late.seen == 1);
    keel_ctx_free(leaving.ctx);
    keel_rwmutex_deinit(&rw);
    return NULL;
}

static keel_err *try_both(keel_ctx *ctx, void *arg)
{
    user *u = arg;

    (void)ctx;
    u->seen = 0;
    if (keel_rwmutex_try_rlock(u->rw)) {
        u->seen |= 1;
        keel_rwmutex_runlock(u->rw);
    }
    if (keel_rwmutex_try_lock(u->rw)) {
        u->seen |= 2;
        keel_rwmutex_unlock(u->rw);
    }
    return NULL;
}

CREW_TEST(try_locks_never_wait)
{
    static const int expected[] = { 3, 1, 0 }; /* free, read, written */
    keel_rwmutex rw = { 0 };
    user u = { .rw = &rw };

    (void)arg;
    for (int held = 0; held < 3; held++) {
        crew c;

        if (held == 1)
            keel_rwmutex_rlock(&rw);
        if (held == 2)
            keel_rwmutex_lock(&rw);
        crew_open(&c, ctx);
        crew_go(&c, try_both, &u);
        crew_join(&c);
        must(u.seen == expected[held]);
        if (held == 1)
            keel_rwmutex_runlock(&rw);
        if (held == 2)
            keel_rwmutex_unlock(&rw);
    }
    keel_rwmutex_deinit(&rw);
    keel_rwmutex_deinit(NULL);
    return NULL;
}

/* ---- Misuse ---- */

static keel_rwmutex shared_rw;

static void rw_lock_twice(void *arg)
{
    (void)arg;
    keel_rwmutex_lock(&shared_rw);
    keel_rwmutex_lock(&shared_rw);
}

static void read_while_writing(void *arg)
{
    (void)arg;
    keel_rwmutex_lock(&shared_rw);
    keel_rwmutex_rlock(&shared_rw);
}

static void unlock_what_is_read(void *arg)
{
    (void)arg;
    keel_rwmutex_rlock(&shared_rw);
    keel_rwmutex_unlock(&shared_rw);
}

static void runlock_what_is_written(void *arg)
{
    (void)arg;
    keel_rwmutex_lock(&shared_rw);
    keel_rwmutex_runlock(&shared_rw);
}

static void runlock_what_is_free(void *arg)
{
    (void)arg;
    keel_rwmutex_runlock(&shared_rw);
}

static void drop_while_read(void *arg)
{
    (void)arg;
    keel_rwmutex_rlock(&shared_rw);
    keel_rwmutex_deinit(&shared_rw);
}

static void drop_while_written(void *arg)
{
    (void)arg;
    keel_rwmutex_lock(&shared_rw);
    keel_rwmutex_deinit(&shared_rw);
}

static keel_err *write_for_ever(keel_ctx *ctx, void *arg)
{
    int nothing;

    keel_rwmutex_lock(&shared_rw);
    must_ok(keel_chan_send(ctx, arg, &(int){ 1 }));
    return keel_chan_recv(NULL, arg, &nothing);
}

static keel_err *unlock_a_tasks_own(keel_ctx *ctx, void *arg)
{
    keel_chan *chan = new_chan(sizeof(int), 0);
    keel_group *group = keel_group_new(ctx, NULL);
    int got;

    (void)arg;
    keel_group_go(group, write_for_ever, chan);
    must_ok(keel_chan_recv(NULL, chan, &got));
    keel_rwmutex_unlock(&shared_rw);
    return keel_group_wait(group);
}

static void unlock_anothers(void *arg)
{
    (void)arg;
    keel_err_free(support_run(unlock_a_tasks_own, NULL));
}

static void misuse_aborts_and_names_the_rwmutex(void **state)
{
    static const struct {
        void (*fn)(void *arg);
        const char *what;
    } rows[] = { { rw_lock_twice, "is the caller's already" },
                 { read_while_writing, "is the caller's already" },
                 { unlock_what_is_read,
                   "is not the caller's to write (writer: nobody, readers: 1" },
                 { runlock_what_is_written, "is read by nobody (writer: a plain thread" },
                 { runlock_what_is_free, "is read by nobody (writer: nobody" },
                 { drop_while_read, "is locked (writer: nobody, readers: 1" },
                 { drop_while_written, "is locked (writer: a plain thread, readers: 0" } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];

        snprintf(text, sizeof text, "rwmutex %p %s", (void *)&shared_rw, rows[i].what);
        support_assert_aborts(rows[i].fn, NULL, text);
    }
    support_assert_aborts(unlock_anothers, NULL, "write_for_ever");
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(a_writer_has_it_alone),
        support_test(readers_have_it_together),
        support_test(a_writer_that_waits_is_not_starved_by_readers),
        support_test(readers_that_wait_are_not_starved_by_writers),
        support_test(the_writer_that_waits_longest_is_next),
        support_test(a_wait_ends_with_its_context),
        support_test(a_wait_ends_with_its_deadline),
        support_test(a_writer_that_gives_up_lets_readers_in),
        support_test(readers_wait_for_the_writers_that_are_left),
        support_test(try_locks_never_wait),
        support_test(misuse_aborts_and_names_the_rwmutex),
    };
    return cmocka_run_group_tests_name("rwmutex", tests, NULL, NULL);
}
