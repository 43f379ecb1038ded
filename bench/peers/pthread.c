/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* What a C programmer has without a library: POSIX threads, a textbook channel of a mutex and
 * conditions, semaphores, and epoll over pipes. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MAX_THREADS = 8, CASES = 8 };

static pthread_t start_thread(void *(*run)(void *), void *arg)
{
    pthread_t t;

    BENCH_CHECK(pthread_create(&t, NULL, run, arg) == 0);
    return t;
}

static void join_all(const pthread_t *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(t[i], NULL);
}

/* ---- A channel; capacity 0 makes every send wait for its receiver ---- */

typedef struct chan {
    pthread_mutex_t lock;
    pthread_cond_t can_send, can_receive, taken;
    int64_t ring[128];
    size_t capacity, head, count;
    size_t sent, received;
    bool rendezvous, closed;
} chan;

static void chan_init(chan *c, size_t capacity)
{
    memset(c, 0, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->can_send, NULL);
    pthread_cond_init(&c->can_receive, NULL);
    pthread_cond_init(&c->taken, NULL);
    c->rendezvous = capacity == 0;
    c->capacity = capacity != 0 ? capacity : 1;
}

static void chan_send(chan *c, int64_t v)
{
    size_t ticket;

    pthread_mutex_lock(&c->lock);
    while (c->count == c->capacity)
        pthread_cond_wait(&c->can_send, &c->lock);
    c->ring[(c->head + c->count++) % c->capacity] = v;
    ticket = ++c->sent;
    pthread_cond_signal(&c->can_receive);
    while (c->rendezvous && c->received < ticket)
        pthread_cond_wait(&c->taken, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

static bool chan_receive(chan *c, int64_t *v)
{
    bool got;

    pthread_mutex_lock(&c->lock);
    while (c->count == 0 && !c->closed)
        pthread_cond_wait(&c->can_receive, &c->lock);
    got = c->count > 0;
    if (got) {
        *v = c->ring[c->head];
        c->head = (c->head + 1) % c->capacity;
        c->count--;
        c->received++;
        if (c->rendezvous)
            pthread_cond_broadcast(&c->taken);
        pthread_cond_signal(&c->can_send);
    }
    pthread_mutex_unlock(&c->lock);
    return got;
}

static void chan_close(chan *c)
{
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_cond_broadcast(&c->can_receive);
    pthread_mutex_unlock(&c->lock);
}

/* ---- Ping-pong ---- */

static chan ping, pong;

static void *cond_echo(void *arg)
{
    for (int64_t v; chan_receive(&ping, &v);)
        chan_send(&pong, v + 1);
    return arg;
}

static void pingpong_cond(bench *b)
{
    int64_t v = 0;
    pthread_t t;

    chan_init(&ping, 0);
    chan_init(&pong, 0);
    t = start_thread(cond_echo, NULL);
    bench_start(b);
    for (size_t i = 0; i < b->n / 2; i++) {
        chan_send(&ping, v);
        BENCH_CHECK(chan_receive(&pong, &v));
    }
    bench_stop(b);
    chan_close(&ping);
    pthread_join(t, NULL);
    BENCH_CHECK(v == (int64_t)(b->n / 2));
}

static sem_t sem_ping, sem_pong;
static size_t sem_value;

static void *sem_echo(void *arg)
{
    for (size_t n = *(size_t *)arg; n > 0; n--) {
        sem_wait(&sem_ping);
        sem_value++;
        sem_post(&sem_pong);
    }
    return NULL;
}

static void pingpong_sem(bench *b)
{
    size_t n = b->n / 2;
    pthread_t t;

    sem_init(&sem_ping, 0, 0);
    sem_init(&sem_pong, 0, 0);
    sem_value = 0;
    t = start_thread(sem_echo, &n);
    bench_start(b);
    for (size_t i = 0; i < n; i++) {
        sem_post(&sem_ping);
        sem_wait(&sem_pong);
    }
    bench_stop(b);
    pthread_join(t, NULL);
    BENCH_CHECK(sem_value == n);
}

/* ---- Buffered channels ---- */

static chan queue;
static int64_t items_each;

static void *producer(void *arg)
{
    for (int64_t i = 0; i < items_each; i++)
        chan_send(&queue, i);
    return arg;
}

static void *consumer(void *arg)
{
    int64_t sum = 0;

    for (int64_t v; chan_receive(&queue, &v);)
        sum += v;
    *(int64_t *)arg = sum;
    return NULL;
}

static void transfer(bench *b, size_t threads)
{
    pthread_t in[MAX_THREADS], out[MAX_THREADS];
    int64_t sums[MAX_THREADS], sum = 0;

    items_each = (int64_t)(b->n / threads);
    chan_init(&queue, 128);
    bench_start(b);
    for (size_t i = 0; i < threads; i++)
        in[i] = start_thread(producer, NULL);
    for (size_t i = 0; i < threads; i++)
        out[i] = start_thread(consumer, &sums[i]);
    join_all(in, threads);
    chan_close(&queue);
    join_all(out, threads);
    bench_stop(b);
    for (size_t i = 0; i < threads; i++)
        sum += sums[i];
    BENCH_CHECK(sum == (int64_t)threads * (items_each * (items_each - 1) / 2));
}

static void spsc(bench *b)
{
    transfer(b, 1);
}

static void mpmc(bench *b)
{
    transfer(b, 4);
}

/* ---- Spawn and join ---- */

static void *note(void *arg)
{
    (*(unsigned *)arg)++;
    return NULL;
}

static void spawn_join(bench *b)
{
    enum { WIDTH = 1000 };
    static pthread_t t[WIDTH];
    static unsigned ran[WIDTH];
    size_t total = 0;

    memset(ran, 0, sizeof ran);
    bench_start(b);
    for (size_t left = b->n; left > 0;) {
        size_t wave = left < WIDTH ? left : WIDTH;

        for (size_t i = 0; i < wave; i++)
            t[i] = start_thread(note, &ran[i]);
        join_all(t, wave);
        left -= wave;
    }
    bench_stop(b);
    for (size_t i = 0; i < WIDTH; i++)
        total += ran[i];
    BENCH_CHECK(total == b->n);
}

/* ---- Generate, square, sum ---- */

static void *generate(void *arg)
{
    for (int64_t i = 0; i < items_each; i++)
        chan_send(&ping, i);
    chan_close(&ping);
    return arg;
}

static void *square(void *arg)
{
    for (int64_t v; chan_receive(&ping, &v);)
        chan_send(&pong, v * v);
    chan_close(&pong);
    return arg;
}

static void pipeline3(bench *b)
{
    int64_t n = (int64_t)b->n, sum = 0;
    pthread_t t[2];

    items_each = n;
    chan_init(&ping, 0);
    chan_init(&pong, 0);
    bench_start(b);
    t[0] = start_thread(generate, NULL);
    t[1] = start_thread(square, NULL);
    for (int64_t v; chan_receive(&pong, &v);)
        sum += v;
    join_all(t, 2);
    bench_stop(b);
    BENCH_CHECK(sum == (n - 1) * n * (2 * n - 1) / 6);
}

/* ---- Select: epoll over eight pipes ---- */

static void *feed_pipe(void *arg)
{
    int fd = *(int *)arg, one = 1;

    for (int64_t i = 0; i < items_each; i++)
        BENCH_CHECK(write(fd, &one, sizeof one) == sizeof one);
    close(fd);
    return NULL;
}

static void select_epoll(bench *b)
{
    int fd[CASES][2], epoll = epoll_create1(0);
    size_t sum = 0;
    pthread_t t[CASES];

    items_each = (int64_t)b->n / CASES;
    bench_start(b);
    for (int i = 0; i < CASES; i++) {
        struct epoll_event e = { .events = EPOLLIN };

        BENCH_CHECK(pipe(fd[i]) == 0);
        e.data.fd = fd[i][0];
        BENCH_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd[i][0], &e) == 0);
        t[i] = start_thread(feed_pipe, &fd[i][1]);
    }
    while (sum < b->n) {
        struct epoll_event e;
        int v;

        BENCH_CHECK(epoll_wait(epoll, &e, 1, -1) == 1);
        if (read(e.data.fd, &v, sizeof v) == sizeof v)
            sum += (size_t)v;
        else
            epoll_ctl(epoll, EPOLL_CTL_DEL, e.data.fd, NULL);
    }
    join_all(t, CASES);
    bench_stop(b);
    for (int i = 0; i < CASES; i++)
        close(fd[i][0]);
    close(epoll);
}

/* ---- Mutex ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static size_t count;

static void *lock_often(void *arg)
{
    for (size_t i = *(size_t *)arg; i > 0; i--) {
        pthread_mutex_lock(&mutex);
        count++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void mutex_by(bench *b, size_t threads)
{
    pthread_t t[MAX_THREADS];
    size_t each = b->n / threads;

    count = 0;
    bench_start(b);
    for (size_t i = 0; i < threads; i++)
        t[i] = start_thread(lock_often, &each);
    join_all(t, threads);
    bench_stop(b);
    BENCH_CHECK(count == b->n);
}

static void mutex_uncontended(bench *b)
{
    mutex_by(b, 1);
}

static void mutex_contended(bench *b)
{
    mutex_by(b, 4);
}

#define ROW(section_, name_, peer_, run_, n_, procs_, unit_)                                       \
    {                                                                                              \
        .section = section_, .name = name_, .peer = peer_, .run = run_, .n = n_, .procs = procs_,  \
        .unit = unit_                                                                              \
    }

static const bench_workload workloads[] = {
    ROW("spawn", "spawn_join", "pthread_create", spawn_join, 4000, BENCH_BOTH, NULL),
    ROW("chan", "chan_unbuf_pingpong", "pthread mutex+cond", pingpong_cond, 6400, BENCH_BOTH, NULL),
    ROW("chan", "chan_unbuf_pingpong", "POSIX sem_t", pingpong_sem, 12800, BENCH_BOTH, NULL),
    ROW("chan", "chan_buf_spsc", "pthread mutex+cond", spsc, 500000, BENCH_BOTH, NULL),
    ROW("chan", "chan_buf_mpmc", "pthread mutex+cond", mpmc, 256000, BENCH_BOTH, NULL),
    ROW("pipeline", "pipeline3", "pthread mutex+cond", pipeline3, 6400, BENCH_BOTH, "ns/item"),
    ROW("select", "select8", "epoll + pipes", select_epoll, 64000, BENCH_BOTH, NULL),
    ROW("mutex", "mutex_uncontended", "pthread_mutex", mutex_uncontended, 5000000, BENCH_ANY, NULL),
    ROW("mutex", "mutex_contended4", "pthread_mutex", mutex_contended, 1000000, BENCH_P2, NULL),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads, .count = COUNT(workloads) });
}
