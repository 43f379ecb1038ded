/* SPDX-License-Identifier: MIT */
/*
 * Five workers share a hundred jobs.
 *
 * Shows:  channels as queues, a waitgroup that says when the results are complete, and a group
 *         that joins all tasks and hands back the first error.
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

/* Lives in run's frame: run waits for the group, so the frame outlives every task. */
typedef struct pool {
    keel_chan *jobs;
    keel_chan *results;
    keel_waitgroup working;
} pool;

static keel_err *worker(keel_ctx *ctx, void *arg)
{
    pool *p = arg;
    keel_err *err = NULL;
    job j;

    while (err == NULL && keel_chan_next(ctx, p->jobs, &j))
        err = keel_chan_send(ctx, p->results, &(result){ j, j.value * 2 });
    keel_waitgroup_done(&p->working);
    return err != NULL ? err : keel_ctx_err(ctx);
}

static keel_err *submit_jobs(keel_ctx *ctx, void *arg)
{
    pool *p = arg;

    for (int i = 0; i < JOBS; i++)
        KEEL_TRY(keel_chan_send(ctx, p->jobs, &(job){ i, i }));
    keel_chan_close(p->jobs); /* no more jobs: the workers finish */
    return NULL;
}

static keel_err *close_results(keel_ctx *ctx, void *arg)
{
    pool *p = arg;

    KEEL_TRY(keel_waitgroup_wait(ctx, &p->working));
    keel_chan_close(p->results); /* no more results: the loop in run ends */
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    (void)arg;
    pool p = { 0 };
    keel_err *err = keel_chan_new(&p.jobs, sizeof(job), &(keel_chan_opts){ .capacity = 100 });
    if (err == NULL)
        err = keel_chan_new(&p.results, sizeof(result), &(keel_chan_opts){ .capacity = 100 });
    if (err != NULL)
        goto free_channels;

    keel_group *group = keel_group_new(ctx, NULL);
    keel_waitgroup_add(&p.working, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        keel_group_go(group, worker, &p);
    keel_group_go(group, submit_jobs, &p);
    keel_group_go(group, close_results, &p);

    /* The group's context, not ctx: should a task fail, nobody may be left to close the results. */
    result r;
    int count = 0;
    while (keel_chan_next(keel_group_ctx(group), p.results, &r))
        if (++count <= 3)
            printf("Job %d: %d -> %d\n", r.job.id, r.job.value, r.value);
    err = keel_group_wait(group);
    if (err == NULL)
        printf("Processed %d jobs\n", count);

free_channels:
    keel_chan_free(p.results);
    keel_chan_free(p.jobs);
    return err;
}

int main(void)
{
    return keel_main(run, NULL);
}
