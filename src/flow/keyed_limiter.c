/* SPDX-License-Identifier: MIT */
#include <keel/limiter.h>

#include <math.h>

#include <keel/hash.h>
#include <keel/mem.h>
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "flow/bucket.h"
#include "flow/options.h"

#define KEEL_MAP_NAME place_map /* from hashes of keys to places in the array */
#define KEEL_MAP_KEY uint64_t
#define KEEL_MAP_VALUE uint32_t
#define KEEL_MAP_HASH keel_hash_u64
#define KEEL_MAP_EQ keel_eq_u64
#include <keel/map.h>

enum { MOST_KEYS = 100000000, FIRST_ROOM = 16 };

/* How many buckets are looked at for one that is full again. The next new key goes on where this one stopped,
 * so that a few that stay empty do not hide the full ones behind them for long. */
enum { LOOKS = 8 };

/* The place of those that share a bucket. */
#define SHARED UINT32_MAX

typedef struct keyed_bucket {
    uint64_t key; /* its hash */
    keel__bucket bucket;
} keyed_bucket;

/* `lock` guards what follows it. It is none that spins, because the map allocates. */
struct keel_keyed_limiter {
    keel_keyed_limiter_opts opts; /* complete */
    keel_mutex lock;
    place_map places;
    keyed_bucket *buckets;
    uint32_t room, count, hand; /* in `buckets`: places, those in use, the next to be looked at */
    keel__bucket shared;
    keel_keyed_limiter_stats stats; /* but for keys */
};

static keel_err *complete(keel_keyed_limiter_opts *opts)
{
    const char *object = "keyed limiter";

    if (!(opts->per_second > 0))
        return keel__bad_option(object, "per_second", "is not above 0");
    KEEL_TRY(keel__option_number(object, "burst", &opts->burst,
                                 opts->per_second > 1 ? opts->per_second : 1, 1, HUGE_VAL));
    if (opts->max_keys > MOST_KEYS)
        return keel__bad_option(object, "max_keys", "is more than 100,000,000");
    if (opts->max_keys == 0)
        opts->max_keys = 10000;
    if (opts->clock == NULL)
        opts->clock = keel_clock_system();
    return NULL;
}

static void init_bucket(const keel_keyed_limiter *limiter, keel__bucket *bucket, int64_t now_ns)
{
    keel__bucket_init(bucket, limiter->opts.per_second, limiter->opts.burst, now_ns);
}

keel_err *keel_keyed_limiter_new(keel_keyed_limiter **out, const keel_keyed_limiter_opts *given)
{
    keel_keyed_limiter_opts opts = given != NULL ? *given : (keel_keyed_limiter_opts){ 0 };

    keel__need(out != NULL, "keel_keyed_limiter_new", "out");
    *out = NULL;
    KEEL_TRY(complete(&opts));
    keel_keyed_limiter *limiter = keel_mem_calloc(1, sizeof *limiter);
    if (limiter == NULL)
        return KEEL_ERR_NOMEM;
    limiter->opts = opts;
    init_bucket(limiter, &limiter->shared, keel_clock_now(opts.clock));
    *out = limiter;
    return NULL;
}

void keel_keyed_limiter_free(keel_keyed_limiter *limiter)
{
    if (limiter == NULL)
        return;
    place_map_deinit(&limiter->places);
    keel_mutex_deinit(&limiter->lock);
    keel_mem_free(limiter->buckets);
    keel_mem_free(limiter);
}

/* ---- Finding a bucket, all under the lock ---- */

/* The place of a bucket that is full again, and so of no more use to its key; or SHARED. */
static uint32_t find_full(keel_keyed_limiter *limiter, int64_t now_ns)
{
    const uint32_t looks = limiter->count < LOOKS ? limiter->count : LOOKS;

    for (uint32_t i = 0; i < looks; i++) {
        const uint32_t place = limiter->hand;
        keel__bucket *bucket = &limiter->buckets[place].bucket;

        limiter->hand = place + 1 == limiter->count ? 0 : place + 1;
        keel__bucket_fill(bucket, now_ns);
        if (bucket->tokens >= bucket->burst)
            return place;
    }
    return SHARED;
}

static bool make_room(keel_keyed_limiter *limiter)
{
    size_t room = limiter->room == 0 ? FIRST_ROOM : (size_t)limiter->room * 2;

    if (room > limiter->opts.max_keys)
        room = limiter->opts.max_keys;
    if (room <= limiter->room || room > SIZE_MAX / sizeof(keyed_bucket))
        return false;
    keyed_bucket *buckets = keel_mem_realloc(limiter->buckets, room * sizeof *buckets);
    if (buckets == NULL)
        return false;
    limiter->buckets = buckets;
    limiter->room = (uint32_t)room;
    return true;
}

/* A place for a new key, or SHARED. More room is made only when there is no full bucket: so there is about as
 * much as there are keys in use. */
static uint32_t place_for(keel_keyed_limiter *limiter, uint64_t key, int64_t now_ns)
{
    uint32_t place = limiter->count;

    if (limiter->count == limiter->room) {
        place = find_full(limiter, now_ns);
        if (place == SHARED && make_room(limiter))
            place = limiter->count;
    }
    if (place == SHARED || place_map_put(&limiter->places, key, place) != NULL) {
        limiter->stats.shared++; /* the map's one error is that of no memory, and static */
        return SHARED;
    }
    if (place == limiter->count) {
        limiter->count++;
    } else {
        place_map_remove(&limiter->places, limiter->buckets[place].key, NULL);
        limiter->stats.forgotten++;
    }
    limiter->buckets[place].key = key;
    init_bucket(limiter, &limiter->buckets[place].bucket, now_ns);
    return place;
}

static keel__bucket *bucket_at(keel_keyed_limiter *limiter, uint32_t place, int64_t now_ns)
{
    keel__bucket *bucket = place == SHARED ? &limiter->shared : &limiter->buckets[place].bucket;

    keel__bucket_fill(bucket, now_ns);
    return bucket;
}

/* ---- What users call ---- */

/* The bucket of a key as it is now, locked; and its place. */
static keel__bucket *enter(keel_keyed_limiter *limiter, uint64_t key, int64_t now_ns,
                           uint32_t *place)
{
    keel_mutex_lock(&limiter->lock);
    const uint32_t *found = place_map_get(&limiter->places, key);
    *place = found != NULL ? *found : place_for(limiter, key, now_ns);
    return bucket_at(limiter, *place, now_ns);
}

static void leave(keel_keyed_limiter *limiter)
{
    keel_mutex_unlock(&limiter->lock);
}

static void count_it(keel_keyed_limiter *limiter, bool taken)
{
    limiter->stats.taken += taken;
    limiter->stats.refused += !taken;
}

bool keel_keyed_limiter_allow(keel_keyed_limiter *limiter, keel_str key, double count)
{
    uint32_t place;

    keel__need(limiter != NULL, __func__, "limiter");
    keel__bucket *bucket =
        enter(limiter, keel_hash_str(key), keel_clock_now(limiter->opts.clock), &place);
    const bool allowed = keel__bucket_take(bucket, count);
    count_it(limiter, allowed);
    leave(limiter);
    return allowed;
}

int64_t keel_keyed_limiter_delay(keel_keyed_limiter *limiter, keel_str key, double count)
{
    uint32_t place;

    keel__need(limiter != NULL, __func__, "limiter");
    const keel__bucket *bucket =
        enter(limiter, keel_hash_str(key), keel_clock_now(limiter->opts.clock), &place);
    const int64_t delay_ns = keel__bucket_delay(bucket, count);
    leave(limiter);
    return delay_ns;
}

/* Gives back what was taken ahead of time. Until that time has come the bucket is not full, so it still
 * belongs to the same key; after it there is nothing to give back. */
static void cancel(keel_keyed_limiter *limiter, uint32_t place, const keel_reservation *taken)
{
    const int64_t now_ns = keel_clock_now(limiter->opts.clock);

    keel_mutex_lock(&limiter->lock);
    keel__bucket_give_back(bucket_at(limiter, place, now_ns), taken, now_ns);
    keel_mutex_unlock(&limiter->lock);
}

keel_err *keel_keyed_limiter_wait(keel_ctx *ctx, keel_keyed_limiter *limiter, keel_str key,
                                  double count)
{
    keel_reservation taken = { 0 };
    int64_t deadline_ns;
    uint32_t place;

    keel__need(limiter != NULL, __func__, "limiter");
    KEEL_TRY(keel_ctx_err(ctx));
    /* as in keel_limiter_wait: the context may go by another clock, and the moment of the deadline is too late */
    const int64_t most_ns =
        keel_ctx_deadline(ctx, &deadline_ns) ? deadline_ns - keel_ctx_now(ctx) - 1 : INT64_MAX;
    const int64_t now_ns = keel_clock_now(limiter->opts.clock);
    keel__bucket *bucket = enter(limiter, keel_hash_str(key), now_ns, &place);
    const bool possible = keel__bucket_possible(bucket, count);
    const bool in_time = possible && keel__bucket_reserve(bucket, count, now_ns, most_ns, &taken);
    count_it(limiter, in_time);
    leave(limiter);
    if (!possible)
        return keel_err_wrap(KEEL_ERR_LIMIT,
                             "keyed limiter: %g tokens at once are more than its burst", count);
    if (!in_time)
        return KEEL_ERR_RATE_LIMITED;
    if (taken.delay_ns == 0)
        return NULL;
    keel_err *err = keel_sleep(ctx, taken.delay_ns);
    if (err != NULL)
        cancel(limiter, place, &taken);
    return err;
}

void keel_keyed_limiter_get_stats(keel_keyed_limiter *limiter, keel_keyed_limiter_stats *out)
{
    keel__need(limiter != NULL, "keel_keyed_limiter_get_stats", "limiter");
    keel_mutex_lock(&limiter->lock);
    *out = limiter->stats;
    out->keys = limiter->count;
    keel_mutex_unlock(&limiter->lock);
}
