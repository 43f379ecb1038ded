/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <inttypes.h>

#include <keel/pipeline.h>
#include <keel/rand.h>

/* Pipelines made by chance, run under a schedule made by chance: stages that fail, wait, run in parallel, are
 * retried or have too little time; splits, batches, filters; memory that is refused; a context that ends. Every
 * item owns memory, and must come to exactly one end; in its order where that is asked for. */

static KEEL_ERR_DEFINE(broken, "broken");

enum { MOST_ITEMS = 48, MOST_STAGES = 12, PATHS = 4096 };
enum { FAULTS = 4 }; /* one seed of so many */

/* What flows once it is made. */
typedef struct item {
    uint32_t number;
    uint32_t *memory;
} item;

typedef struct world world;

/* One stage, as its functions see it. */
typedef struct part {
    world *w;
    unsigned fails, waits; /* in a hundred calls */
    bool drops;
    unsigned branches;
} part;

struct world {
    uint64_t seed;
    keel_rand rand;
    unsigned items;
    uint32_t produced; /* by the source */
    int made[MOST_ITEMS + 1], sunk[MOST_ITEMS + 1], freed[MOST_ITEMS + 1];
    int filtered[MOST_ITEMS + 1], letters[MOST_ITEMS + 1], merged[MOST_ITEMS + 1];
    const part *failed_at[MOST_ITEMS + 1]; /* the last call for it failed there; NULL: it did not */
    uint32_t path[MOST_ITEMS + 1];         /* the branches it was sent to */
    uint32_t last[PATHS];                  /* that came into the sink, by its path */
    bool ordered, out_of_order, fed, calm;
    part parts[MOST_STAGES];
    unsigned part_count;
    keel_retry *retry;
    keel_pipeline *fragments[MOST_STAGES];
    unsigned fragment_count;
    keel_chan *from, *to;
    item array[MOST_ITEMS];
    int numbers[MOST_ITEMS];
    keel_str text;
    char lines[MOST_ITEMS * 4];
    uint64_t total;
    size_t array_count;
};

static world *now; /* for item_free, which has no argument */

static unsigned chance(world *w, unsigned below)
{
    return (unsigned)keel_rand_below(&w->rand, below);
}

/* ---- Items ---- */

static keel_err *make_item(world *w, uint32_t number, item *out)
{
    uint32_t *memory = keel_mem_alloc(sizeof *memory);

    if (memory == NULL)
        return KEEL_ERR_NOMEM;
    *memory = number;
    *out = (item){ number, memory };
    w->made[number]++;
    return NULL;
}

static void free_item(void *arg)
{
    item *it = arg;

    KEEL_CHECK(it->number >= 1 && it->number <= now->items && *it->memory == it->number);
    now->freed[it->number]++;
    keel_mem_free(it->memory);
}

/* What every stage does first: it may wait, and it may fail. */
static keel_err *suffer(keel_ctx *ctx, part *p, uint32_t number)
{
    world *w = p->w;
    keel_err *err = NULL;

    w->failed_at[number] = p;
    if (chance(w, 100) < p->waits)
        err = keel_sleep(ctx, KEEL_US(1 + chance(w, 40)));
    if (err == NULL && (chance(w, 100) < p->fails || (p->fails > 0 && keel_sim_buggify("stage"))))
        err = chance(w, 2) == 0 ? broken : keel_err_wrap(broken, "on %" PRIu32, number);
    if (err == NULL)
        w->failed_at[number] = NULL;
    return err;
}

/* ---- Stages ---- */

static keel_err *from_number(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    part *p = arg;
    const uint32_t number = (uint32_t) * (const int *)in;

    KEEL_TRY(suffer(ctx, p, number));
    keel_err *err = make_item(p->w, number, out);
    if (err != NULL)
        p->w->failed_at[number] = p;
    return err;
}

static keel_err *from_line(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_line *line = in;
    const int number = atoi(line->text);

    KEEL_CHECK(strlen(line->text) == line->len);
    return from_number(ctx, &number, out, arg);
}

static keel_err *pass(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const item *it = in;

    KEEL_CHECK(*it->memory == it->number);
    KEEL_TRY(suffer(ctx, arg, it->number));
    *(item *)out = *it;
    return NULL;
}

/* Makes another of it, in memory of its own. */
static keel_err *change(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const item *it = in;
    part *p = arg;

    KEEL_TRY(suffer(ctx, p, it->number));
    uint32_t *memory = keel_mem_alloc(2 * sizeof *memory);
    if (memory == NULL) {
        p->w->failed_at[it->number] = p;
        return KEEL_ERR_NOMEM;
    }
    *memory = it->number;
    keel_mem_free(it->memory);
    *(item *)out = (item){ it->number, memory };
    return NULL;
}

static bool keep(const void *in, void *arg)
{
    const item *it = in;
    part *p = arg;

    if (chance(p->w, 4) > 0)
        return true;
    p->w->filtered[it->number]++;
    return false;
}

static size_t route(const void *in, void *arg)
{
    const item *it = in;
    part *p = arg;
    const unsigned branch = chance(p->w, p->branches);
    uint32_t *path = &p->w->path[it->number];

    *path = (*path * 4 + branch + 1) % PATHS;
    if (p->fails > 0 && chance(p->w, 100) == 0) {
        p->w->failed_at[it->number] = p;
        return 99; /* no such branch */
    }
    return branch;
}

/* The first of a batch goes on, the others end here. */
static keel_err *merge(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *batch = in;
    const item *items = batch->items;
    part *p = arg;

    KEEL_CHECK(batch->count > 0);
    for (size_t i = 0; i < batch->count; i++)
        KEEL_CHECK(*items[i].memory == items[i].number);
    keel_err *err = suffer(ctx, p, items[0].number);
    for (size_t i = 1; i < batch->count; i++)
        p->w->failed_at[items[i].number] = err != NULL ? p : NULL;
    KEEL_TRY(err);
    *(item *)out = items[0];
    for (size_t i = 1; i < batch->count; i++) {
        p->w->merged[items[i].number]++;
        keel_mem_free(items[i].memory);
    }
    return NULL;
}

static void letter(keel_ctx *ctx, const char *stage, const void *in, const keel_err *err, void *arg)
{
    part *p = arg;

    KEEL_CHECK(err != NULL && ctx != NULL && stage != NULL);
    (void)in;
    p->w->total++;
}

static void letter_of_item(keel_ctx *ctx, const char *stage, const void *in, const keel_err *err,
                           void *arg)
{
    part *p = arg;

    KEEL_CHECK(err != NULL && ctx != NULL && stage != NULL);
    p->w->letters[((const item *)in)->number]++;
}

/* ---- Sinks ---- */

static void sink(world *w, const item *it)
{
    const uint32_t path = w->path[it->number];

    KEEL_CHECK(*it->memory == it->number);
    w->sunk[it->number]++;
    if (it->number <= w->last[path])
        w->out_of_order = true;
    w->last[path] = it->number;
    keel_mem_free(it->memory);
}

static keel_err *sink_each(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    part *p = arg;

    (void)out;
    KEEL_TRY(suffer(ctx, p, ((const item *)in)->number));
    sink(p->w, in);
    return NULL;
}

static keel_err *drain(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (item it; keel_chan_next(NULL, w->to, &it);)
        sink(w, &it);
    return NULL;
}

/* ---- Sources ---- */

static keel_err *produce(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    part *p = arg;
    world *w = p->w;

    if (w->produced == w->items) {
        *more = false;
        return NULL;
    }
    if (chance(w, 100) < p->waits)
        KEEL_TRY(keel_sleep(ctx, KEEL_US(1 + chance(w, 20))));
    if (p->fails > 0 && chance(w, 200) == 0)
        return broken;
    KEEL_TRY(make_item(w, w->produced + 1, out));
    w->produced++;
    return NULL;
}

static keel_err *feed(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = NULL;

    while (err == NULL && w->produced < w->items) {
        item it;
        if (make_item(w, w->produced + 1, &it) != NULL)
            continue; /* it is refused once, not for ever */
        w->produced++;
        err = keel_chan_send(ctx, w->from, &it);
        if (err != NULL)
            free_item(&it);
    }
    keel_chan_close(w->from);
    keel_err_free(err); /* it was told to stop */
    return NULL;
}

/* ---- Building ---- */

static part *new_part(world *w, unsigned fails)
{
    part *p = &w->parts[w->part_count++];

    KEEL_CHECK(w->part_count <= MOST_STAGES);
    *p = (part){ .w = w, .fails = fails, .waits = chance(w, 3) == 0 ? 30 : 0 };
    return p;
}

/* Options by chance. `items` says that what comes in is an item. */
static keel_stage_opts options(world *w, part *p, bool items)
{
    keel_stage_opts opts = { .item_free = free_item, .arg = p };

    if (chance(w, 3) == 0)
        opts.parallel = 1 + chance(w, 3);
    opts.keep_order = opts.parallel > 1 && chance(w, 3) > 0;
    opts.apart = chance(w, 4) == 0;
    if (chance(w, 4) == 0)
        opts.timeout_ns = KEEL_US(20);
    if (chance(w, 3) == 0)
        opts.retry = w->retry;
    if (chance(w, 4) > 0) {
        opts.on_error = chance(w, 2) == 0 ? KEEL_STAGE_DROP : KEEL_STAGE_DEAD_LETTER;
        opts.dead_letter = items ? letter_of_item : letter;
        opts.dead_letter_arg = p;
    }
    p->drops = opts.on_error == KEEL_STAGE_DROP || (!items && opts.on_error != KEEL_STAGE_FAIL);
    w->ordered &= opts.parallel <= 1 || opts.keep_order;
    return opts;
}

static void add_stages(world *w, keel_pipeline *to, unsigned depth);

static void add_split(world *w, keel_pipeline *to, unsigned depth)
{
    const keel_pipeline *branches[3];
    part *p = new_part(w, chance(w, 2));

    p->branches = 1 + chance(w, 3);
    for (unsigned b = 0; b < p->branches; b++) {
        keel_pipeline *branch = w->fragments[w->fragment_count++] = keel_pipeline_new(NULL);
        add_stages(w, branch, depth + 1);
        branches[b] = branch;
    }
    keel_pipeline_split(to, "split", route, p, branches, p->branches);
}

static void add_stage(world *w, keel_pipeline *to, unsigned depth)
{
    const unsigned kind = chance(w, depth == 0 ? 6 : 4);

    if (kind == 5 && w->part_count + 6 < MOST_STAGES && w->fragment_count + 3 < MOST_STAGES) {
        add_split(w, to, depth);
        return;
    }
    part *p = new_part(w, chance(w, 3) == 0 ? 20 : 0);
    keel_stage_opts opts = options(w, p, kind != 4);
    switch (kind) {
    case 0:
        keel_pipeline_filter(to, "filter", keep,
                             &(keel_stage_opts){ .arg = p,
                                                 .parallel = opts.parallel,
                                                 .keep_order = opts.keep_order });
        break;
    case 1:
    case 2:
        keel_pipeline_map(to, "change", KEEL_FN(change, item, item), &opts);
        break;
    case 4:
        keel_pipeline_batch(to, "batch", 1 + chance(w, 4), chance(w, 2) == 0 ? 0 : KEEL_US(15));
        keel_pipeline_map(to, "merge", KEEL_FN(merge, keel_batch, item), &opts);
        break;
    default:
        keel_pipeline_map(to, "pass", KEEL_FN(pass, item, item), &opts);
    }
}

static void add_stages(world *w, keel_pipeline *to, unsigned depth)
{
    const unsigned count = chance(w, depth == 0 ? 5 : 2) + depth;

    for (unsigned i = 0; i < count && w->part_count + 3 < MOST_STAGES; i++)
        add_stage(w, to, depth);
}

static void add_source(world *w, keel_pipeline *p)
{
    part *first = new_part(w, chance(w, 3) == 0 ? 20 : 0);
    const unsigned kind = chance(w, 4);

    if (kind == 0) {
        keel_pipeline_from_fn(p, "produce", produce, sizeof(item), free_item, first);
        return;
    }
    if (kind == 1 && w->from != NULL) {
        keel_pipeline_from_chan(p, w->from, sizeof(item), free_item);
        w->fed = true;
        return;
    }
    keel_stage_opts opts = options(w, first, false);
    if (kind == 2) {
        keel_pipeline_from_lines(p, keel_io_from_str(&w->text), 0);
        keel_pipeline_map(p, "make", KEEL_FN(from_line, keel_line, item), &opts);
    } else {
        keel_pipeline_from_array(p, w->numbers, w->items, sizeof *w->numbers);
        keel_pipeline_map(p, "make", KEEL_FN(from_number, int, item), &opts);
    }
    w->produced = w->items;
}

static void add_sink(world *w, keel_pipeline *p)
{
    part *last = new_part(w, chance(w, 3) == 0 ? 20 : 0);
    keel_stage_opts opts = options(w, last, true);

    opts.keep_order = false;
    switch (chance(w, 4)) {
    case 0:
        keel_pipeline_to_array(p, w->array, w->items, sizeof(item), &w->array_count);
        break;
    case 1:
        if (w->to != NULL) {
            keel_pipeline_to_chan(p, w->to, sizeof(item));
            break;
        } /* fall through */
    default:
        keel_pipeline_each(p, "sink", KEEL_FN_SINK(sink_each, item), &opts);
        w->ordered &= opts.parallel <= 1;
    }
}

/* ---- One run ---- */

static keel_err *look(keel_ctx *ctx, void *arg)
{
    keel_stage_stats stats[64];

    while (keel_sleep(ctx, KEEL_US(7)) == NULL) {
        const size_t count = keel_pipeline_get_stats(arg, stats, 64);
        for (size_t i = 0; i < count; i++)
            KEEL_CHECK(stats[i].in <= MOST_ITEMS && stats[i].out <= MOST_ITEMS);
    }
    return NULL;
}

typedef struct cut {
    keel_ctx *ctx;
    int64_t after_ns;
} cut;

static keel_err *cut_off(keel_ctx *ctx, void *arg)
{
    const cut *c = arg;

    keel_err_free(keel_sleep(ctx, c->after_ns)); /* or at the end of the run */
    keel_ctx_cancel(c->ctx);
    return NULL;
}

static bool is_expected(const keel_err *err, bool cancelled)
{
    return keel_err_is(err, broken) || keel_err_is(err, KEEL_ERR_NOMEM) ||
           keel_err_is(err, KEEL_ERR_RANGE) || keel_err_is(err, KEEL_ERR_DEADLINE) ||
           keel_err_is(err, KEEL_ERR_TIMEOUT) ||
           (cancelled && keel_err_is(err, KEEL_ERR_CANCELLED));
}

/* Every item that was made has ended once; and if the pipeline says that all went well, as its stages say. */
static void check_ends(const world *w, bool went_well)
{
    for (uint32_t n = 1; n <= w->items; n++) {
        const part *at = w->failed_at[n];

        if (w->sunk[n] + w->freed[n] + w->merged[n] != w->made[n] || w->made[n] > 1)
            keel_sim_note("item %u: made %d, sunk %d, freed %d, merged %d", n, w->made[n],
                          w->sunk[n], w->freed[n], w->merged[n]);
        KEEL_CHECK(w->made[n] <= 1);
        KEEL_CHECK(w->sunk[n] + w->freed[n] + w->merged[n] == w->made[n]);
        KEEL_CHECK(w->filtered[n] + w->letters[n] <= w->freed[n]);
        if (!went_well)
            continue;
        const bool dropped = at != NULL && at->drops;
        const int ends = w->sunk[n] + w->merged[n] + w->filtered[n] + w->letters[n];
        if (ends > 1 || ends + dropped == 0)
            keel_sim_note("item %u: made %d, sunk %d, freed %d, merged %d, filtered %d, letters "
                          "%d, last failed at %d",
                          n, w->made[n], w->sunk[n], w->freed[n], w->merged[n], w->filtered[n],
                          w->letters[n], at != NULL ? (int)(at - w->parts) : -1);
        KEEL_CHECK(w->made[n] == 1 || dropped);
        KEEL_CHECK(ends <= 1 && ends + dropped >= 1);
    }
    KEEL_CHECK(!went_well || w->produced == w->items);
    KEEL_CHECK(!w->ordered || !w->out_of_order);
}

static void prepare(world *w, uint64_t seed)
{
    size_t at = 0;

    *w = (world){ .seed = seed, .ordered = true };
    keel_rand_seed(&w->rand, seed);
    w->items = 1 + chance(w, MOST_ITEMS);
    for (unsigned i = 0; i < w->items; i++) {
        w->numbers[i] = (int)i + 1;
        at += (size_t)snprintf(w->lines + at, sizeof w->lines - at, "%u\n", i + 1);
    }
    w->text = (keel_str){ w->lines, at };
    now = w;
}

enum { WELL, FAILED, CANCELLED, NO_MEMORY, ENDS };
static unsigned seen[ENDS], seen_ordered;

static void count_end(const world *w, const keel_err *err)
{
    seen_ordered += err == NULL && w->ordered;
    seen[err == NULL                            ? WELL
         : keel_err_is(err, KEEL_ERR_CANCELLED) ? CANCELLED
         : keel_err_is(err, KEEL_ERR_NOMEM)     ? NO_MEMORY
                                                : FAILED]++;
}

/* For who looks for what a seed has shown. */
static void explain(const keel_pipeline *p)
{
    keel_buf text = { 0 };

    if (getenv("KEEL_TEST_SEED") == NULL)
        return;
    keel_err_free(keel_pipeline_explain(p, &text));
    print_message("%s", keel_buf_text(&text));
    keel_buf_deinit(&text);
}

/* The channels at both ends. Where memory may be refused nobody is sure to be there to fill one and to empty the
 * other: they have room for all, and one is full before. */
static void open_ends(world *w)
{
    const size_t room = w->calm ? chance(w, 3) : MOST_ITEMS;

    keel_err_free(keel_retry_new(
        &w->retry, &(keel_retry_opts){ .max_attempts = 3, .base_delay_ns = KEEL_US(5) }));
    keel_err_free(keel_chan_new(&w->from, sizeof(item),
                                &(keel_chan_opts){ .capacity = room, .item_free = free_item }));
    keel_err_free(keel_chan_new(&w->to, sizeof(item), &(keel_chan_opts){ .capacity = room }));
}

static void close_ends(world *w, keel_group *feeders, keel_group *readers)
{
    keel_group_cancel(feeders);
    keel_err_free(keel_group_wait(feeders));
    if (w->to != NULL)
        keel_chan_close(w->to);
    keel_err_free(keel_group_wait(readers));
    if (w->to != NULL)
        keel_err_free(drain(NULL, w));
    for (size_t i = 0; i < w->array_count; i++)
        sink(w, &w->array[i]);
    for (unsigned i = 0; i < w->fragment_count; i++)
        keel_pipeline_free(w->fragments[i]);
    keel_chan_free(w->from);
    keel_chan_free(w->to);
    keel_retry_free(w->retry);
}

static keel_err *random_pipeline(keel_ctx *ctx, void *arg)
{
    static world w;

    prepare(&w, *(const uint64_t *)arg);
    const bool cancelled = chance(&w, 4) == 0, refused = chance(&w, 4) == 0;
    w.calm = !refused && w.seed % FAULTS != 0;
    if (refused)
        support_mem_fail(1 + chance(&w, 250), false);
    open_ends(&w);
    keel_pipeline *p = keel_pipeline_new(&(keel_pipeline_opts){ .queue = 1 + chance(&w, 4) });
    add_source(&w, p);
    add_stages(&w, p, 0);
    add_sink(&w, p);

    keel_group *group = keel_group_new(ctx, NULL), *readers = keel_group_new(ctx, NULL);
    cut c = { keel_ctx_with_cancel(ctx), KEEL_US(chance(&w, 100)) };
    if (w.fed && w.calm)
        keel_group_go(group, feed, &w);
    else if (w.fed)
        keel_err_free(feed(NULL, &w));
    if (w.to != NULL && w.calm)
        keel_group_go(readers, drain, &w);
    if (cancelled)
        keel_group_go(group, cut_off, &c);
    if (chance(&w, 4) == 0)
        keel_group_go(group, look, p);
    explain(p);
    keel_err *err = keel_pipeline_run(c.ctx, p);

    support_mem_fail(0, false);
    close_ends(&w, group, readers);
    keel_pipeline_free(p);
    keel_ctx_free(c.ctx);
    KEEL_CHECK(err == NULL || is_expected(err, cancelled));
    check_ends(&w, err == NULL);
    count_end(&w, err);
    keel_err_free(err);
    return NULL;
}

static void every_item_ends_once(void **state)
{
    uint64_t seeds = getenv("KEEL_TEST_LONG") != NULL ? 10000 : 1000;
    const char *only = getenv("KEEL_TEST_SEED");

    (void)state;
    for (uint64_t seed = only != NULL ? strtoull(only, NULL, 10) : 1; seed <= seeds; seed++) {
        char name[32];

        snprintf(name, sizeof name, "pipeline %" PRIu64, seed);
        assert_sim_ok(keel_sim_run(name, random_pipeline, &seed,
                                   &(keel_sim_opts){ .seed = seed,
                                                     .faults = seed % FAULTS == 0,
                                                     .fixed_time = seed % 3 != 0 }));
        if (only != NULL)
            return;
    }
    print_message(
        "%u went well, %u of them in order; %u failed, %u were cancelled, %u had no memory\n",
        seen[WELL], seen_ordered, seen[FAILED], seen[CANCELLED], seen[NO_MEMORY]);
    for (unsigned i = 0; i < ENDS; i++)
        assert_true(seen[i] > seeds / 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(every_item_ends_once),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
