/* SPDX-License-Identifier: MIT */
/*
 * Five workers share a hundred jobs.
 *
 * Shows:  keel's own pool: a bounded queue, workers, and a channel of results that is closed after the
 *         last one. worker_pool_by_hand.c has the same made of channels and tasks.
 * Run:    ./worker_pool
 * Prints: three results (which ones come first is not determined), then `Processed 100 jobs`
 */
#include <stdio.h>

#include <keel/keel.h>

#define WORKERS 5
#define JOBS 100

typedef struct job {
    int id, value;
} job;

typedef struct result {
    job job;
    int value;
} result;

static keel_err *work(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const job *j = in;

    (void)ctx, (void)arg;
    *(result *)out = (result){ *j, j->value * 2 };
    return NULL;
}

/* A task of its own: while it waits for room in the queue, run takes results. */
static keel_err *submit_jobs(keel_ctx *ctx, void *arg)
{
    keel_pool *pool = arg;

    for (int i = 0; i < JOBS; i++)
        KEEL_TRY(keel_pool_submit(ctx, pool, &(job){ i, i }));
    return keel_pool_close(ctx, pool); /* no more jobs: the workers finish, the results end */
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    keel_pool *pool;

    (void)arg;
    KEEL_TRY(keel_pool_new(ctx, &pool, KEEL_FN(work, job, result),
                           &(keel_pool_opts){ .workers = WORKERS, .results = 100 }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, submit_jobs, pool);

    result r;
    int count = 0;
    /* The group's context, not ctx: should it fail to submit, nobody closes the pool. */
    while (keel_chan_next(keel_group_ctx(group), keel_pool_results(pool), &r))
        if (++count <= 3)
            printf("Job %d: %d -> %d\n", r.job.id, r.job.value, r.value);
    keel_err *err = keel_group_wait(group);
    if (err == NULL)
        printf("Processed %d jobs\n", count);
    keel_pool_free(pool);
    return err;
}

int main(void)
{
    return keel_main(run, NULL);
}
