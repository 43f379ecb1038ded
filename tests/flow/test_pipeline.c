/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <inttypes.h>

#include <keel/pipeline.h>

static KEEL_ERR_DEFINE(broken, "broken");

enum { MANY = 200 };

static int numbers[MANY];

/* What the functions here count, by the number of the item. */
typedef struct world {
    int sunk[MANY + 1], dead[MANY + 1], freed;
    int running, most, calls, fails_until;
    int64_t sum;
    int last;
    bool in_order;
    keel_err *letter; /* the last */
} world;

static keel_err *square(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int *)out = *(const int *)in * *(const int *)in;
    return NULL;
}

static keel_err *add(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int64_t *)out += *(const int *)in;
    return NULL;
}

/* Takes as many microseconds as the number asks for, the odd ones more. */
static keel_err *work(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;
    const int n = *(const int *)in;

    w->calls++;
    w->most = ++w->running > w->most ? w->running : w->most;
    keel_err *err = keel_sleep(ctx, KEEL_US(n % 2 == 1 ? 300 : 100));
    w->running--;
    *(int *)out = n;
    return err;
}

static keel_err *fail_on_tens(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const int n = *(const int *)in;

    (void)ctx, (void)arg;
    *(int *)out = n;
    return n % 10 == 0 ? keel_err_wrap(broken, "on %d", n) : NULL;
}

static keel_err *collect(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;
    const int n = *(const int *)in;

    (void)ctx, (void)out;
    w->sunk[n]++;
    w->sum += n;
    if (n < w->last)
        w->in_order = false;
    w->last = n;
    return NULL;
}

static bool is_even(const void *item, void *arg)
{
    (void)arg;
    return *(const int *)item % 2 == 0;
}

static void letter(keel_ctx *ctx, const char *stage, const void *item, const keel_err *err,
                   void *arg)
{
    world *w = arg;

    KEEL_CHECK(keel_ctx_err(ctx) == NULL && ctx != NULL && strcmp(stage, "check") == 0);
    w->dead[*(const int *)item]++;
    keel_err_free(w->letter);
    w->letter = keel_err_retain(err);
}

static keel_pipeline *begin(size_t count)
{
    keel_pipeline *p = keel_pipeline_new(NULL);

    for (int i = 0; i < MANY; i++)
        numbers[i] = i + 1;
    keel_pipeline_from_array(p, numbers, count, sizeof *numbers);
    return p;
}

static keel_err *run_and_free(keel_ctx *ctx, keel_pipeline *p)
{
    keel_err *err = keel_pipeline_run(ctx, p);

    keel_pipeline_free(p);
    return err;
}

static void expect_text(keel_err *err, const char *text)
{
    char buf[256];

    keel_err_format(err, buf, sizeof buf);
    if (strcmp(buf, text) != 0)
        keel_sim_note("\"%s\"", buf);
    KEEL_CHECK(strcmp(buf, text) == 0);
    keel_err_free(err);
}

/* ---- Plain ones ---- */

static keel_err *generate_square_sum(keel_ctx *ctx, void *arg)
{
    int64_t total = 0;
    keel_pipeline *p = begin(5);

    (void)arg;
    keel_pipeline_map(p, "square", KEEL_FN(square, int, int), NULL);
    keel_pipeline_fold(p, "sum", KEEL_FN(add, int, int64_t), &total, NULL);
    KEEL_TRY(keel_pipeline_run(ctx, p));
    KEEL_CHECK(total == 55);
    KEEL_TRY(keel_pipeline_run(ctx, p)); /* and again */
    KEEL_CHECK(total == 110);
    keel_pipeline_free(p);
    return NULL;
}

static keel_err *filters_and_arrays(keel_ctx *ctx, void *arg)
{
    int out[MANY];
    size_t count = 99;
    keel_stage_stats stats[4];
    keel_pipeline *p = begin(20);

    (void)arg;
    keel_pipeline_filter(p, "even", is_even, NULL);
    keel_pipeline_to_array(p, out, MANY, sizeof *out, &count);
    KEEL_TRY(keel_pipeline_run(ctx, p));
    KEEL_CHECK(count == 10);
    for (int i = 0; i < 10; i++)
        KEEL_CHECK(out[i] == 2 * i + 2);
    KEEL_CHECK(keel_pipeline_get_stats(p, stats, 4) == 3);
    KEEL_CHECK(strcmp(stats[1].name, "even") == 0 && stats[0].out == 20 && stats[1].in == 20 &&
               stats[1].filtered == 10 && stats[1].out == 10 && stats[2].in == 10);
    keel_pipeline_free(p);

    p = begin(20);
    keel_pipeline_to_array(p, out, 7, sizeof *out, &count);
    expect_text(run_and_free(ctx, p),
                "stage array, item 8: the array has room for 7: limit reached");
    KEEL_CHECK(count == 7);
    return NULL;
}

/* ---- Parallel stages ---- */

static keel_err *parallel(keel_ctx *ctx, bool keep_order)
{
    world w = { .in_order = true };
    keel_stage_stats stats[3];
    const int64_t start_ns = keel_ctx_now(ctx);
    keel_pipeline *p = begin(40);

    keel_pipeline_map(p, "work", KEEL_FN(work, int, int),
                      &(keel_stage_opts){ .parallel = 4, .keep_order = keep_order, .arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    KEEL_TRY(keel_pipeline_run(ctx, p));
    KEEL_CHECK(w.sum == 820 && w.most == 4 && w.in_order == keep_order);
    for (int i = 1; i <= 40; i++)
        KEEL_CHECK(w.sunk[i] == 1);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns < KEEL_US(40 * 200 / 4 + 400));
    KEEL_CHECK(keel_pipeline_get_stats(p, stats, 3) == 3);
    KEEL_CHECK(stats[1].in == 40 && stats[1].busy_ns == KEEL_US(40 * 200));
    KEEL_CHECK((stats[1].most_ordered > 0) == keep_order);
    KEEL_CHECK(stats[2].waiting_ns > 0);
    keel_pipeline_free(p);
    return NULL;
}

static keel_err *parallel_as_they_come(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return parallel(ctx, false);
}

static keel_err *parallel_in_order(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return parallel(ctx, true);
}

/* ---- Errors ---- */

static keel_err *failing_names_stage_and_item(keel_ctx *ctx, void *arg)
{
    world w = { .in_order = true };

    (void)arg;
    for (unsigned tasks = 1; tasks <= 3; tasks++) {
        memset(&w, 0, sizeof w);
        keel_pipeline *p = begin(40);
        keel_pipeline_map(p, "check", KEEL_FN(fail_on_tens, int, int),
                          &(keel_stage_opts){ .parallel = tasks, .keep_order = true });
        keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int),
                           &(keel_stage_opts){ .arg = &w });
        expect_text(run_and_free(ctx, p), "stage check, item 10: on 10: broken");
        for (int i = 1; i <= 9; i++)
            KEEL_CHECK(w.sunk[i] == 1); /* what was before it has arrived */
        KEEL_CHECK(w.sunk[10] == 0 && w.sunk[30] == 0);
    }
    return NULL;
}

static keel_err *dropping_counts(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_stage_stats stats[3];
    keel_pipeline *p = begin(40);

    (void)arg;
    keel_pipeline_map(p, "check", KEEL_FN(fail_on_tens, int, int),
                      &(keel_stage_opts){ .on_error = KEEL_STAGE_DROP });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    KEEL_TRY(keel_pipeline_run(ctx, p));
    keel_pipeline_get_stats(p, stats, 3);
    KEEL_CHECK(w.sum == 820 - 100 && stats[1].failed == 4 && stats[1].out == 36);
    keel_pipeline_free(p);
    return NULL;
}

static keel_err *dead_letters_have_their_reason(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pipeline *p = begin(40);

    (void)arg;
    keel_pipeline_map(p, "check", KEEL_FN(fail_on_tens, int, int),
                      &(keel_stage_opts){ .parallel = 2,
                                          .keep_order = true,
                                          .on_error = KEEL_STAGE_DEAD_LETTER,
                                          .dead_letter = letter,
                                          .dead_letter_arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    KEEL_TRY(run_and_free(ctx, p));
    for (int i = 1; i <= 40; i++)
        KEEL_CHECK(w.sunk[i] == (i % 10 != 0) && w.dead[i] == (i % 10 == 0));
    KEEL_CHECK(keel_err_is(w.letter, broken));
    keel_err_free(w.letter);
    return NULL;
}

static keel_err *fail_at_first(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;

    (void)ctx;
    *(int *)out = *(const int *)in;
    if (++w->calls <= w->fails_until)
        return broken;
    w->calls = 0;
    return NULL;
}

static keel_err *stages_retry(keel_ctx *ctx, void *arg)
{
    world w = { .fails_until = 2 };
    keel_retry *retry;
    keel_stage_stats stats[3];
    keel_pipeline *p = begin(5);

    (void)arg;
    KEEL_TRY(keel_retry_new(&retry, &(keel_retry_opts){ .max_attempts = 3 }));
    keel_pipeline_map(p, "try", KEEL_FN(fail_at_first, int, int),
                      &(keel_stage_opts){ .retry = retry, .arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    KEEL_TRY(keel_pipeline_run(ctx, p));
    keel_pipeline_get_stats(p, stats, 3);
    KEEL_CHECK(w.sum == 15 && stats[1].retried == 10 && stats[1].failed == 0);
    w.fails_until = 3;
    w.calls = 0;
    expect_text(keel_pipeline_run(ctx, p), "stage try, item 1: failed after 3 attempts: broken");
    keel_pipeline_free(p);
    keel_retry_free(retry);
    return NULL;
}

static keel_err *stages_have_a_time(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pipeline *p = begin(4);

    (void)arg;
    keel_pipeline_map(
        p, "work", KEEL_FN(work, int, int),
        &(keel_stage_opts){ .timeout_ns = KEEL_US(200), .on_error = KEEL_STAGE_DROP, .arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    KEEL_TRY(run_and_free(ctx, p));
    KEEL_CHECK(w.sum == 6); /* the odd ones take longer */

    p = begin(4);
    keel_pipeline_map(p, "work", KEEL_FN(work, int, int),
                      &(keel_stage_opts){ .timeout_ns = KEEL_US(200), .arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    check_err(run_and_free(ctx, p), KEEL_ERR_TIMEOUT);
    return NULL;
}

/* ---- Other sources ---- */

static keel_err *produce(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    world *w = arg;

    (void)ctx;
    if (w->calls == 7)
        return w->fails_until > 0 ? broken : (*more = false, NULL);
    *(int *)out = ++w->calls;
    return NULL;
}

static keel_err *functions_are_sources(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (int fails = 0; fails < 2; fails++) {
        world w = { .fails_until = fails };
        keel_pipeline *p = keel_pipeline_new(NULL);

        keel_pipeline_from_fn(p, "numbers", produce, sizeof(int), NULL, &w);
        keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int),
                           &(keel_stage_opts){ .arg = &w });
        keel_err *err = run_and_free(ctx, p);
        KEEL_CHECK(w.sum == 28);
        if (fails > 0)
            expect_text(err, "stage numbers, item 8: broken");
        else
            KEEL_CHECK(err == NULL);
    }
    return NULL;
}

static keel_err *fill_chan(keel_ctx *ctx, void *arg)
{
    keel_chan *chan = arg;

    for (int i = 1; i <= 30; i++)
        KEEL_TRY(keel_chan_send(ctx, chan, &i));
    keel_chan_close(chan);
    return NULL;
}

static keel_err *channels_at_both_ends(keel_ctx *ctx, void *arg)
{
    keel_chan *in, *out;
    keel_pipeline *p = keel_pipeline_new(NULL);

    (void)arg;
    KEEL_TRY(keel_chan_new(&in, sizeof(int), NULL));
    KEEL_TRY(keel_chan_new(&out, sizeof(int), &(keel_chan_opts){ .capacity = 30 }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, fill_chan, in);
    keel_pipeline_from_chan(p, in, sizeof(int), NULL);
    keel_pipeline_map(p, "square", KEEL_FN(square, int, int), &(keel_stage_opts){ .apart = true });
    keel_pipeline_to_chan(p, out, sizeof(int));
    KEEL_TRY(run_and_free(ctx, p));
    KEEL_TRY(keel_group_wait(group));
    for (int i = 1, n; i <= 30; i++)
        KEEL_CHECK(keel_chan_try_recv(out, &n) == KEEL_CHAN_DONE && n == i * i);
    keel_chan_free(in);
    keel_chan_free(out);
    return NULL;
}

static keel_err *length(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_line *line = in;

    (void)ctx, (void)arg;
    KEEL_CHECK(strlen(line->text) == line->len);
    *(int *)out = (int)(line->number * 100 + line->len);
    return NULL;
}

static keel_err *lines_of_a_text(keel_ctx *ctx, void *arg)
{
    const char text[] = "one\nthree\r\n\nlast";
    int out[8];
    size_t count;

    (void)arg;
    for (int apart = 0; apart < 2; apart++) {
        keel_str rest = { text, sizeof text - 1 };
        keel_pipeline *p = keel_pipeline_new(NULL);

        keel_pipeline_from_lines(p, keel_io_from_str(&rest), 0);
        keel_pipeline_map(p, "length", KEEL_FN(length, keel_line, int),
                          &(keel_stage_opts){ .apart = apart > 0 });
        keel_pipeline_to_array(p, out, 8, sizeof *out, &count);
        KEEL_TRY(run_and_free(ctx, p));
        KEEL_CHECK(count == 4 && out[0] == 103 && out[1] == 205 && out[2] == 300 && out[3] == 404);
    }
    return NULL;
}

/* ---- Batches ---- */

static keel_err *batch_sum(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *batch = in;
    int sum = 0;

    (void)ctx, (void)arg;
    for (size_t i = 0; i < batch->count; i++)
        sum += ((const int *)batch->items)[i];
    *(int *)out = sum;
    return NULL;
}

static keel_err *batches_by_number(keel_ctx *ctx, void *arg)
{
    int out[8];
    size_t count;

    (void)arg;
    for (unsigned tasks = 1; tasks <= 2; tasks++) {
        keel_pipeline *p = begin(10);
        keel_pipeline_batch(p, "fours", 4, 0);
        keel_pipeline_map(p, "sum", KEEL_FN(batch_sum, keel_batch, int),
                          &(keel_stage_opts){ .parallel = tasks, .keep_order = true });
        keel_pipeline_to_array(p, out, 8, sizeof *out, &count);
        KEEL_TRY(run_and_free(ctx, p));
        KEEL_CHECK(count == 3 && out[0] == 10 && out[1] == 26 && out[2] == 19);
    }
    return NULL;
}

/* A number every millisecond, six of them; then a long silence. */
static keel_err *tick(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    world *w = arg;

    if (w->calls == 6) {
        *more = false;
        return keel_sleep(ctx, KEEL_S(1));
    }
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    *(int *)out = ++w->calls;
    return NULL;
}

static keel_err *note_sum(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;
    int sum;

    KEEL_TRY(batch_sum(ctx, in, &sum, NULL));
    (void)out;
    w->dead[w->freed] = sum;
    w->sunk[w->freed++] = (int)(keel_ctx_now(ctx) / KEEL_US(1) - w->sum);
    return NULL;
}

static keel_err *batches_by_time(keel_ctx *ctx, void *arg)
{
    world w = { .sum = keel_ctx_now(ctx) / KEEL_US(1) };
    keel_pipeline *p = keel_pipeline_new(NULL);

    (void)arg;
    keel_pipeline_from_fn(p, "tick", tick, sizeof(int), NULL, &w);
    keel_pipeline_batch(p, "batch", 4, KEEL_US(2500));
    keel_pipeline_each(p, "note", KEEL_FN_SINK(note_sum, keel_batch),
                       &(keel_stage_opts){ .arg = &w });
    KEEL_TRY(run_and_free(ctx, p));
    /* 1, 2, 3 at 1, 2, 3 ms go at 3.5; 4, 5, 6 at 6.5, long before the source ends */
    KEEL_CHECK(w.freed == 2 && w.dead[0] == 6 && w.dead[1] == 15);
    KEEL_CHECK(w.sunk[0] == 3500 && w.sunk[1] == 6500);
    return NULL;
}

/* ---- Fragments, branches ---- */

static size_t by_parity(const void *item, void *arg)
{
    (void)arg;
    return (size_t)(*(const int *)item % 2);
}

static keel_err *negate(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int *)out = -*(const int *)in;
    return NULL;
}

static keel_err *branches_join_again(keel_ctx *ctx, void *arg)
{
    int64_t total = 0;
    keel_stage_stats stats[8];
    keel_pipeline *even = keel_pipeline_new(NULL), *odd = keel_pipeline_new(NULL);

    (void)arg;
    keel_pipeline_map(odd, "negate", KEEL_FN(negate, int, int),
                      &(keel_stage_opts){ .parallel = 2 });
    keel_pipeline_map(odd, "square", KEEL_FN(square, int, int), NULL);
    const keel_pipeline *both[] = { even, odd };
    keel_pipeline *p = begin(100);
    keel_pipeline_split(p, "parity", by_parity, NULL, both, 2);
    keel_pipeline_fold(p, "sum", KEEL_FN(add, int, int64_t), &total, NULL);
    keel_pipeline_free(even); /* they have been copied */
    keel_pipeline_free(odd);
    KEEL_TRY(keel_pipeline_run(ctx, p));
    KEEL_CHECK(total == 2550 + 166650); /* 2 + 4 ... + 100, and the squares of the odd */
    KEEL_CHECK(keel_pipeline_get_stats(p, stats, 8) == 5);
    KEEL_CHECK(strcmp(stats[2].name, "negate") == 0 && stats[2].in == 50 && stats[4].in == 100);
    keel_pipeline_free(p);
    return NULL;
}

static keel_err *fragments_are_shared(keel_ctx *ctx, void *arg)
{
    int64_t first = 0, second = 0;
    keel_pipeline *fragment = keel_pipeline_new(NULL);

    (void)arg;
    keel_pipeline_filter(fragment, "even", is_even, NULL);
    keel_pipeline_map(fragment, "square", KEEL_FN(square, int, int), NULL);
    keel_pipeline *p = begin(4), *q = begin(2);
    keel_pipeline_append(p, fragment);
    keel_pipeline_append(q, fragment);
    keel_pipeline_append(q, fragment);
    keel_pipeline_fold(p, "sum", KEEL_FN(add, int, int64_t), &first, NULL);
    keel_pipeline_fold(q, "sum", KEEL_FN(add, int, int64_t), &second, NULL);
    keel_pipeline_free(fragment);
    KEEL_TRY(run_and_free(ctx, p));
    KEEL_TRY(run_and_free(ctx, q));
    KEEL_CHECK(first == 4 + 16 && second == 16);
    return NULL;
}

/* ---- Cancelling ---- */

static keel_err *a_context_cuts_it_short(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    keel_pipeline *p = begin(MANY);

    (void)arg;
    keel_pipeline_map(p, "work", KEEL_FN(work, int, int),
                      &(keel_stage_opts){ .parallel = 2, .arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    check_err(keel_pipeline_run(limited, p), KEEL_ERR_DEADLINE);
    KEEL_CHECK(w.running == 0 && w.sum > 0 && w.sunk[MANY] == 0);
    check_err(keel_pipeline_run(limited, p), KEEL_ERR_DEADLINE);
    keel_pipeline_free(p);
    keel_ctx_free(limited);
    return NULL;
}

static keel_err *back_pressure_reaches_the_source(keel_ctx *ctx, void *arg)
{
    world w = { 0 }, source = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_US(50));
    keel_pipeline *p = keel_pipeline_new(&(keel_pipeline_opts){ .queue = 3 });

    (void)arg;
    source.fails_until = -1000;
    keel_pipeline_from_array(p, numbers, MANY, sizeof *numbers);
    keel_pipeline_map(p, "count", KEEL_FN(fail_at_first, int, int),
                      &(keel_stage_opts){ .arg = &source });
    keel_pipeline_map(p, "work", KEEL_FN(work, int, int),
                      &(keel_stage_opts){ .parallel = 2, .arg = &w });
    keel_pipeline_each(p, "collect", KEEL_FN_SINK(collect, int), &(keel_stage_opts){ .arg = &w });
    check_err(keel_pipeline_run(limited, p), KEEL_ERR_DEADLINE);
    keel_stage_stats stats[4];
    keel_pipeline_get_stats(p, stats, 4);
    KEEL_CHECK(stats[0].out == 2 + 3 + 1); /* two at work, three in the queue, one before it */
    keel_pipeline_free(p);
    keel_ctx_free(limited);
    return NULL;
}

/* ---- What cannot be built ---- */

static void the_first_mistake_is_returned(void **state)
{
    (void)state;
    char text[200];
    int64_t total = 0;
    size_t count;
    int out[1];
#define MISTAKE(expected, ...)                                                                     \
    do {                                                                                           \
        keel_pipeline *p = keel_pipeline_new(NULL);                                                \
        __VA_ARGS__;                                                                               \
        keel_err *err = keel_pipeline_run(NULL, p);                                                \
        keel_err_format(err, text, sizeof text);                                                   \
        assert_string_equal(text, expected ": invalid argument");                                  \
        keel_err_free(err);                                                                        \
        keel_pipeline_free(p);                                                                     \
    } while (0)
#define FROM keel_pipeline_from_array(p, numbers, 3, sizeof(int))
#define INTO keel_pipeline_to_array(p, out, 1, sizeof(int), &count)
    MISTAKE("pipeline: source is missing", INTO);
    MISTAKE("pipeline: source is missing", (void)0);
    MISTAKE("pipeline: sink is missing", FROM);
    MISTAKE("pipeline: array is a source that does not come first", FROM; FROM; INTO);
    MISTAKE("pipeline: array comes after the sink", FROM; INTO; INTO);
    MISTAKE("stage sum takes int64_t of 8 bytes, and gets int of 4", FROM;
            keel_pipeline_map(p, "square", KEEL_FN(square, int, int), NULL);
            keel_pipeline_fold(p, "sum", KEEL_FN(add, int64_t, int64_t), &total, NULL));
    MISTAKE("stage sum takes unsigned of 4 bytes, and gets int of 4", FROM;
            keel_pipeline_map(p, "square", KEEL_FN(square, int, int), NULL);
            keel_pipeline_fold(p, "sum", KEEL_FN(add, unsigned, int64_t), &total, NULL));
    MISTAKE("stage even: parallel is more than 1000", FROM;
            keel_pipeline_filter(p, "even", is_even, &(keel_stage_opts){ .parallel = 1001 }); INTO);
    MISTAKE("stage even: timeout_ns is negative", FROM;
            keel_pipeline_filter(p, "even", is_even, &(keel_stage_opts){ .timeout_ns = -1 }); INTO);
    MISTAKE("stage even: dead_letter is missing", FROM; keel_pipeline_filter(
                p, "even", is_even, &(keel_stage_opts){ .on_error = KEEL_STAGE_DEAD_LETTER });
            INTO);
    MISTAKE("stage batch: max_items is 0", FROM; keel_pipeline_batch(p, "batch", 0, 0); INTO);
    MISTAKE("stage batch: max_wait_ns is negative", FROM; keel_pipeline_batch(p, "batch", 1, -1);
            INTO);
    MISTAKE("stage sum: parallel is more than 1 for what is shared", FROM; keel_pipeline_fold(
                p, "sum", KEEL_FN(add, int, int64_t), &total, &(keel_stage_opts){ .parallel = 2 }));
    MISTAKE("stage split: count is not in 1 ... 1000", FROM;
            keel_pipeline_split(p, "split", by_parity, NULL, NULL, 0); INTO);
    MISTAKE("pipeline: pipeline has a source or a sink", FROM;
            keel_pipeline *other = keel_pipeline_new(NULL);
            keel_pipeline_from_array(other, numbers, 1, sizeof(int));
            keel_pipeline_append(p, other); keel_pipeline_free(other); INTO);

    keel_pipeline *named = keel_pipeline_new(&(keel_pipeline_opts){ .name = "orders" });
    assert_names(keel_pipeline_run(NULL, named), "pipeline orders: source is missing");
    keel_pipeline_free(named);
}

static keel_err *with_a_stack_too_small(keel_ctx *ctx, void *arg)
{
    keel_pipeline *p =
        keel_pipeline_new(&(keel_pipeline_opts){ .name = "orders", .stack_bytes = 1 });
    size_t count;
    int out[3];

    (void)arg;
    FROM;
    keel_pipeline_to_array(p, out, 3, sizeof(int), &count);
    assert_names(keel_pipeline_run(ctx, p), "pipeline orders: stack_bytes is");
    keel_pipeline_free(p);
    return NULL;
}

static void a_stack_too_small_is_named(void **state)
{
    (void)state;
    assert_ok(support_run(with_a_stack_too_small, NULL));
}

static void the_plan_can_be_read(void **state)
{
    (void)state;
    keel_buf buf = { 0 };
    keel_pipeline *p = begin(10), *odd = keel_pipeline_new(NULL), *even = keel_pipeline_new(NULL);
    const keel_pipeline *both[] = { even, odd };
    world w = { 0 };

    keel_pipeline_map(odd, "negate", KEEL_FN(negate, int, int), NULL);
    keel_pipeline_map(p, "square", KEEL_FN(square, int, int),
                      &(keel_stage_opts){ .timeout_ns = KEEL_S(1), .on_error = KEEL_STAGE_DROP });
    keel_pipeline_map(p, "work", KEEL_FN(work, int, int),
                      &(keel_stage_opts){ .parallel = 8, .keep_order = true, .arg = &w });
    keel_pipeline_split(p, "parity", by_parity, NULL, both, 2);
    keel_pipeline_batch(p, "hundreds", 100, KEEL_MS(50));
    keel_pipeline_each(p, "note", KEEL_FN_SINK(note_sum, keel_batch),
                       &(keel_stage_opts){ .arg = &w });
    assert_ok(keel_pipeline_explain(p, &buf));
    assert_string_equal(keel_buf_text(&buf),
                        "pipeline: 1284 items under way at most, a batch as one\n"
                        "1: from array -> square, 1s each, errors dropped -> queue 1\n"
                        "2: 8 tasks in order: queue 1 -> work -> queue 2\n"
                        "3: queue 2 -> split parity -> queue 3, queue 4\n"
                        "4: queue 4 -> negate -> queue 3\n"
                        "5: queue 3 -> batch hundreds of up to 100 or for 50ms -> each note\n");
    keel_buf_deinit(&buf);
    keel_pipeline_free(p);
    keel_pipeline_free(even);
    keel_pipeline_free(odd);
}

static keel_err *all_kinds(keel_ctx *ctx, void *arg)
{
    int64_t total = 0;
    keel_pipeline *p = begin(20), *odd = keel_pipeline_new(NULL), *even = keel_pipeline_new(NULL);
    const keel_pipeline *both[] = { even, odd };

    (void)arg;
    keel_pipeline_map(odd, "negate", KEEL_FN(negate, int, int), NULL);
    keel_pipeline_split(p, "parity", by_parity, NULL, both, 2);
    keel_pipeline_map(p, "square", KEEL_FN(square, int, int),
                      &(keel_stage_opts){ .parallel = 2, .keep_order = true });
    keel_pipeline_batch(p, "threes", 3, KEEL_MS(1));
    keel_pipeline_map(p, "batch sum", KEEL_FN(batch_sum, keel_batch, int), NULL);
    keel_pipeline_fold(p, "sum", KEEL_FN(add, int, int64_t), &total, NULL);
    keel_err *err = keel_pipeline_run(ctx, p);
    KEEL_CHECK(err != NULL || total == 2870);
    keel_pipeline_free(p);
    keel_pipeline_free(even);
    keel_pipeline_free(odd);
    return err;
}

static void it_works_on_real_workers(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_ok(support_run(all_kinds, NULL));
}

static keel_err *on_a_runtime(void *arg)
{
    return support_run(all_kinds, arg);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(on_a_runtime, NULL, NULL);
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(generate_square_sum)
RUNS(filters_and_arrays)
RUNS(parallel_as_they_come)
RUNS(parallel_in_order)
RUNS(failing_names_stage_and_item)
RUNS(dropping_counts)
RUNS(dead_letters_have_their_reason)
RUNS(stages_retry)
RUNS(stages_have_a_time)
RUNS(functions_are_sources)
RUNS(channels_at_both_ends)
RUNS(lines_of_a_text)
RUNS(batches_by_number)
RUNS(batches_by_time)
RUNS(branches_join_again)
RUNS(fragments_are_shared)
RUNS(a_context_cuts_it_short)
RUNS(back_pressure_reaches_the_source)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_generate_square_sum),
        support_test(runs_filters_and_arrays),
        support_test(runs_parallel_as_they_come),
        support_test(runs_parallel_in_order),
        support_test(runs_failing_names_stage_and_item),
        support_test(runs_dropping_counts),
        support_test(runs_dead_letters_have_their_reason),
        support_test(runs_stages_retry),
        support_test(runs_stages_have_a_time),
        support_test(runs_functions_are_sources),
        support_test(runs_channels_at_both_ends),
        support_test(runs_lines_of_a_text),
        support_test(runs_batches_by_number),
        support_test(runs_batches_by_time),
        support_test(runs_branches_join_again),
        support_test(runs_fragments_are_shared),
        support_test(runs_a_context_cuts_it_short),
        support_test(runs_back_pressure_reaches_the_source),
        support_test(the_first_mistake_is_returned),
        support_test(a_stack_too_small_is_named),
        support_test(the_plan_can_be_read),
        support_test(it_works_on_real_workers),
        support_test(each_allocation_may_fail),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
