/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "inputs.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* What the machine asks for each workload at least, with no library in between: the rows that the
 * others can approach but hardly beat. Each is the plain code that does the workload's bare minimum,
 * and names that minimum in its comment. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Switching stacks: the least that any hand-off between tasks on one worker needs ---- */

#if defined(__x86_64__)
/* Saves what a call must keep on the stack, and goes on with the other stack. */
void bench_switch(void **save, void *to);
__asm__(".text\n"
        ".type bench_switch, @function\n"
        "bench_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmpq *%rcx\n"
        ".size bench_switch, .-bench_switch\n");

static void *main_stack, *other_stack;
static size_t switches;

static void other_side(void)
{
    for (;;) {
        switches++;
        bench_switch(&other_stack, main_stack);
    }
}

static void one_switch(bench *b)
{
    static _Alignas(16) unsigned char stack[16384];
    void **top = (void **)(void *)(stack + sizeof stack);
    void (*entry)(void) = other_side;

    /* six registers and the address to return to, with the alignment of a function's entry */
    memset(top - 9, 0, 9 * sizeof *top);
    memcpy(top - 2, &entry, sizeof entry);
    other_stack = top - 8;
    switches = 0;
    bench_start(b);
    for (size_t i = 0; i < b->n / 2; i++)
        bench_switch(&main_stack, other_stack);
    bench_stop(b);
    BENCH_CHECK(switches == b->n / 2);
}
#endif

/* ---- Spawn: a record is allocated, queued, called and freed ---- */

typedef struct record {
    struct record *next;
    void (*fn)(size_t *count);
    unsigned char room[112];
} record;

static void count_one(size_t *count)
{
    (*count)++;
}

static void spawn_records(bench *b)
{
    enum { WIDTH = 1000 };
    size_t count = 0;

    bench_start(b);
    for (size_t left = b->n; left > 0;) {
        size_t wave = left < WIDTH ? left : WIDTH;
        record *first = NULL, **last = &first;

        for (size_t i = 0; i < wave; i++) {
            *last = malloc(sizeof **last);
            BENCH_CHECK(*last != NULL);
            (*last)->next = NULL;
            (*last)->fn = count_one;
            last = &(*last)->next;
        }
        while (first != NULL) {
            record *r = first;

            first = r->next;
            r->fn(&count);
            free(r);
        }
        left -= wave;
    }
    bench_stop(b);
    BENCH_CHECK(count == b->n);
}

/* ---- Buffered: a ring of 128 ---- */

enum { SLOTS = 128 };

/* Filled and emptied in turns by one thread. */
static void plain_ring(bench *b)
{
    static volatile int64_t ring[SLOTS];
    int64_t n = (int64_t)b->n, sum = 0;

    bench_start(b);
    for (int64_t i = 0; i < n; i += SLOTS) {
        int64_t count = n - i < SLOTS ? n - i : SLOTS;

        for (int64_t k = 0; k < count; k++)
            ring[k] = i + k;
        for (int64_t k = 0; k < count; k++)
            sum += ring[k];
    }
    bench_stop(b);
    BENCH_CHECK(sum == n * (n - 1) / 2);
}

/* The same with an uncontended mutex around each step, which many to many needs. */
static void locked_ring(bench *b)
{
    static int64_t ring[SLOTS];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int64_t n = (int64_t)b->n, sum = 0;

    bench_start(b);
    for (int64_t i = 0; i < n; i += SLOTS) {
        int64_t count = n - i < SLOTS ? n - i : SLOTS;

        for (int64_t k = 0; k < count; k++) {
            pthread_mutex_lock(&lock);
            ring[k] = i + k;
            pthread_mutex_unlock(&lock);
        }
        for (int64_t k = 0; k < count; k++) {
            pthread_mutex_lock(&lock);
            sum += ring[k];
            pthread_mutex_unlock(&lock);
        }
    }
    bench_stop(b);
    BENCH_CHECK(sum == n * (n - 1) / 2);
}

/* Waits for the other CPU, which may be running something else just now. */
static void spin(unsigned *tries)
{
    if (++*tries % 256 == 0)
        sched_yield();
}

/* Between two threads without a lock, each spinning: what two CPUs can do. */
static struct {
    _Alignas(128) atomic_size_t head;
    _Alignas(128) atomic_size_t tail;
    _Alignas(128) int64_t ring[SLOTS];
    size_t n;
} shared;

static void *fill_shared(void *arg)
{
    size_t seen = 0;
    unsigned tries = 0;

    for (size_t i = 0; i < shared.n; i++) {
        while (i - seen == SLOTS) {
            seen = atomic_load_explicit(&shared.head, memory_order_acquire);
            spin(&tries);
        }
        shared.ring[i % SLOTS] = (int64_t)i;
        atomic_store_explicit(&shared.tail, i + 1, memory_order_release);
    }
    return arg;
}

static void spsc_ring(bench *b)
{
    pthread_t t;
    int64_t sum = 0;
    size_t seen = 0;
    unsigned tries = 0;

    shared.n = b->n;
    atomic_store(&shared.head, 0);
    atomic_store(&shared.tail, 0);
    bench_start(b);
    BENCH_CHECK(pthread_create(&t, NULL, fill_shared, NULL) == 0);
    for (size_t i = 0; i < b->n; i++) {
        while (seen == i) {
            seen = atomic_load_explicit(&shared.tail, memory_order_acquire);
            spin(&tries);
        }
        sum += shared.ring[i % SLOTS];
        atomic_store_explicit(&shared.head, i + 1, memory_order_release);
    }
    pthread_join(t, NULL);
    bench_stop(b);
    BENCH_CHECK(sum == (int64_t)b->n * ((int64_t)b->n - 1) / 2);
}

/* ---- Two threads at one word ---- */

static atomic_size_t word;

static void *add_often(void *arg)
{
    for (size_t i = *(size_t *)arg; i > 0; i--)
        atomic_fetch_add(&word, 1);
    return NULL;
}

/* `each` atomic additions for an operation, by two threads. */
static void contended_adds(bench *b, size_t each)
{
    pthread_t t;
    size_t half = b->n * each / 2;

    atomic_store(&word, 0);
    bench_start(b);
    BENCH_CHECK(pthread_create(&t, NULL, add_often, &half) == 0);
    add_often(&half);
    pthread_join(t, NULL);
    bench_stop(b);
    BENCH_CHECK(atomic_load(&word) == 2 * half);
}

static void one_contended_add(bench *b)
{
    contended_adds(b, 1);
}

static void two_contended_adds(bench *b)
{
    contended_adds(b, 2);
}

/* A line of memory goes from one CPU to the other: what crossing between two workers needs. */
static void *answer_line(void *arg)
{
    unsigned tries = 0;

    for (size_t i = 0; i < *(size_t *)arg; i++) {
        while (atomic_load_explicit(&word, memory_order_acquire) != 2 * i + 1)
            spin(&tries);
        atomic_store_explicit(&word, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

static void line_transfer(bench *b)
{
    pthread_t t;
    size_t half = b->n / 2;
    unsigned tries = 0;

    atomic_store(&word, 0);
    BENCH_CHECK(pthread_create(&t, NULL, answer_line, &half) == 0);
    bench_start(b);
    for (size_t i = 0; i < half; i++) {
        atomic_store_explicit(&word, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&word, memory_order_acquire) != 2 * i + 2)
            spin(&tries);
    }
    bench_stop(b);
    pthread_join(t, NULL);
    BENCH_CHECK(atomic_load(&word) == 2 * half);
}

/* ---- Mutex: one atomic exchange to take it, one store to give it back ---- */

static void take_and_give(bench *b)
{
    size_t count = 0;

    atomic_store(&word, 0);
    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        count += atomic_exchange_explicit(&word, 1, memory_order_acquire) == 0;
        atomic_store_explicit(&word, 0, memory_order_release);
    }
    bench_stop(b);
    BENCH_CHECK(count == b->n);
}

/* ---- Pools and pipelines: a call through a pointer for each stage ---- */

static BENCH_NOINLINE void step(int64_t *to, const int64_t *from, int64_t factor, int64_t addend)
{
    *to = *from * factor + addend;
}

static void (*volatile stage_fn)(int64_t *, const int64_t *, int64_t, int64_t) = step;

static void call_twice(bench *b)
{
    int64_t sum = 0, out;

    bench_start(b);
    for (int64_t i = 0; i < (int64_t)b->n; i++) {
        stage_fn(&out, &i, i, 0);
        stage_fn(&sum, &sum, 1, out);
    }
    bench_stop(b);
    BENCH_KEEP(sum);
}

static void call_eleven_times(bench *b)
{
    int64_t sum = 0;

    bench_start(b);
    for (int64_t i = 0; i < (int64_t)b->n; i++) {
        int64_t v = i;

        for (int s = 0; s < 10; s++)
            stage_fn(&v, &v, 1, 1);
        stage_fn(&sum, &sum, 1, v);
    }
    bench_stop(b);
    BENCH_CHECK(sum == (int64_t)b->n * ((int64_t)b->n - 1) / 2 + 10 * (int64_t)b->n);
}

/* A job into a ring, a call, its result through another ring. */
static void two_rings(bench *b)
{
    int64_t jobs[64], results[64], sum = 0;

    bench_start(b);
    for (int64_t i = 0; i < (int64_t)b->n; i += 64) {
        for (int64_t k = 0; k < 64; k++)
            jobs[k] = i + k;
        BENCH_KEEP(&jobs);
        for (int64_t k = 0; k < 64; k++)
            stage_fn(&results[k], &jobs[k], 2, 0);
        BENCH_KEEP(&results);
        for (int64_t k = 0; k < 64; k++)
            sum += results[k];
    }
    bench_stop(b);
    BENCH_CHECK(sum == (int64_t)b->n * ((int64_t)b->n - 1));
}

/* The heavy stage's work alone, half in each of two threads: the ideal of two CPUs. */
static void *work_half(void *arg)
{
    uint64_t got = 0;

    for (size_t i = 0; i < *(size_t *)arg / 2; i++)
        got += bench_work(i);
    BENCH_KEEP(got);
    return NULL;
}

static void two_workers(bench *b)
{
    pthread_t t;

    bench_start(b);
    BENCH_CHECK(pthread_create(&t, NULL, work_half, &b->n) == 0);
    work_half(&b->n);
    pthread_join(t, NULL);
    bench_stop(b);
}

/* ---- The sieve: the same divisions, in a loop ---- */

static void divide(bench *b)
{
    enum { PRIMES = 2000 };
    static int64_t prime[PRIMES];
    int found = 0;

    bench_start(b);
    for (int64_t v = 2; found < PRIMES; v++) {
        int i = 0;

        while (i < found && v % prime[i] != 0)
            i++;
        if (i == found)
            prime[found++] = v;
    }
    bench_stop(b);
    b->value = b->value * (double)b->n / 1e6;
    BENCH_CHECK(prime[PRIMES - 1] == 17389);
}

/* ---- Contexts ---- */

typedef struct node {
    struct node *next, *prev;
    unsigned char room[80];
} node;

/* Allocates a node, puts it in a list, takes it out and frees it. */
static void list_node(bench *b)
{
    node list = { &list, &list, { 0 } };

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        node *x = malloc(sizeof *x);

        BENCH_CHECK(x != NULL);
        x->next = list.next;
        x->prev = &list;
        list.next->prev = x;
        list.next = x;
        BENCH_KEEP(x);
        x->prev->next = x->next;
        x->next->prev = x->prev;
        free(x);
    }
    bench_stop(b);
    BENCH_CHECK(list.next == &list && list.prev == &list);
}

static void load_word(bench *b)
{
    size_t sum = 0;

    atomic_store(&word, 0);
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        sum += atomic_load_explicit(&word, memory_order_acquire);
    bench_stop(b);
    BENCH_CHECK(sum == 0);
}

/* ---- Sleeping: the kernel's own ---- */

static void sleep_percentile(bench *b, unsigned percent)
{
    enum { SLEEPS = 200 };
    double us[SLEEPS];

    bench_start(b);
    for (size_t i = 0; i < SLEEPS; i++) {
        struct timespec ms = { .tv_nsec = 1000000 };
        double start = bench_now_ns();

        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, &ms) == EINTR)
            ;
        us[i] = (bench_now_ns() - start) / 1e3;
        BENCH_CHECK(us[i] >= 1000);
    }
    bench_stop(b);
    b->value = bench_percentile(us, SLEEPS, percent);
}

static void sleep_p50(bench *b)
{
    sleep_percentile(b, 50);
}

static void sleep_p99(bench *b)
{
    sleep_percentile(b, 99);
}

/* ---- Errors ---- */

BENCH_NOINLINE static const char *fail(void)
{
    return "not found";
}

static void return_static(bench *b)
{
    size_t failed = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        const char *err = fail();

        BENCH_KEEP(err);
        failed += err != NULL;
    }
    bench_stop(b);
    BENCH_CHECK(failed == b->n);
}

/* `links` blocks with a text each, allocated, filled and freed. */
static void blocks(bench *b, int links)
{
    static const char text[] = "file app.conf: code 42";

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        char *block[3];

        for (int k = 0; k < links; k++) {
            block[k] = malloc(48 + sizeof text);
            BENCH_CHECK(block[k] != NULL);
            memcpy(block[k] + 48, text, sizeof text);
            BENCH_KEEP(block[k]);
        }
        for (int k = 0; k < links; k++)
            free(block[k]);
    }
    bench_stop(b);
}

static void one_block(bench *b)
{
    blocks(b, 1);
}

static void three_blocks(bench *b)
{
    blocks(b, 3);
}

/* A walk along four links that compares an address at each. */
static size_t walk(bench *b, bool there)
{
    static node chain[4];
    const node *target = there ? &chain[3] : NULL;
    size_t hits = 0;

    for (int i = 0; i < 3; i++)
        chain[i].next = &chain[i + 1];
    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        const node *x = chain;

        BENCH_KEEP(x);
        while (x != NULL && x != target)
            x = x->next;
        hits += x != NULL;
    }
    bench_stop(b);
    return hits;
}

static void find(bench *b)
{
    BENCH_CHECK(walk(b, true) == b->n);
}

static void miss(bench *b)
{
    BENCH_CHECK(walk(b, false) == 0);
}

#define FLOOR(section_, name_, run_, n_, procs_)                                                   \
    {                                                                                              \
        .section = section_, .name = name_, .peer = "floor", .run = run_, .n = n_, .procs = procs_ \
    }

static const bench_workload workloads[] = {
    FLOOR("spawn", "spawn_join", spawn_records, 4000000, BENCH_BOTH),
    FLOOR("chan", "chan_buf_spsc", plain_ring, 40000000, BENCH_P1),
    FLOOR("chan", "chan_buf_spsc", spsc_ring, 8000000, BENCH_P2),
    FLOOR("chan", "chan_buf_mpmc", locked_ring, 4000000, BENCH_P1),
    FLOOR("chan", "chan_buf_mpmc", two_contended_adds, 4000000, BENCH_P2),
    FLOOR("chan", "floor_line_transfer", line_transfer, 500000, BENCH_P2),
#if defined(__x86_64__)
    FLOOR("chan", "chan_unbuf_pingpong", one_switch, 20000000, BENCH_BOTH),
    FLOOR("select", "select8", one_switch, 20000000, BENCH_BOTH),
    FLOOR("yield", "yield", one_switch, 20000000, BENCH_P1),
    { .section = "pipeline",
      .name = "pipeline3",
      .peer = "floor",
      .run = one_switch,
      .n = 20000000,
      .procs = BENCH_BOTH,
      .unit = "ns/item" },
#endif
    { .section = "pool",
      .name = "worker_pool",
      .peer = "floor",
      .run = two_rings,
      .n = 20000000,
      .procs = BENCH_BOTH,
      .unit = "ns/job" },
    { .section = "pipeline",
      .name = "pipeline3",
      .peer = "floor: calls",
      .run = call_twice,
      .n = 20000000,
      .procs = BENCH_BOTH,
      .unit = "ns/item" },
    { .section = "pipeline10",
      .name = "pipeline10",
      .peer = "floor",
      .run = call_eleven_times,
      .n = 4000000,
      .procs = BENCH_BOTH,
      .unit = "ns/item" },
    { .section = "heavy",
      .name = "pipeline4_heavy",
      .peer = "floor",
      .run = two_workers,
      .n = 20000,
      .procs = BENCH_P2,
      .unit = "ns/item" },
    { .section = "sieve",
      .name = "sieve2000",
      .peer = "floor",
      .run = divide,
      .n = 1,
      .procs = BENCH_BOTH,
      .unit = "ms",
      .slow = true },
    FLOOR("mutex", "mutex_uncontended", take_and_give, 10000000, BENCH_ANY),
    FLOOR("mutex", "mutex_contended4", one_contended_add, 4000000, BENCH_P2),
    FLOOR("ctx", "ctx_create_cancel_root", list_node, 4000000, BENCH_ANY),
    FLOOR("ctx", "ctx_create_cancel_child", list_node, 4000000, BENCH_ANY),
    FLOOR("ctx", "ctx_timeout_create_cancel", list_node, 4000000, BENCH_ANY),
    FLOOR("ctx", "ctx_err_check", load_word, 40000000, BENCH_ANY),
    { .section = "sleep",
      .name = "sleep_1ms_p50",
      .peer = "floor",
      .run = sleep_p50,
      .n = 1,
      .unit = "us",
      .slow = true },
    { .section = "sleep",
      .name = "sleep_1ms_p99",
      .peer = "floor",
      .run = sleep_p99,
      .n = 1,
      .unit = "us",
      .slow = true },
    FLOOR("err", "err_create", return_static, 40000000, BENCH_ANY),
    FLOOR("err", "err_create_fmt", one_block, 4000000, BENCH_ANY),
    FLOOR("err", "err_wrap3", three_blocks, 2000000, BENCH_ANY),
    FLOOR("err", "err_is3", find, 20000000, BENCH_ANY),
    FLOOR("err", "err_is3_miss", miss, 20000000, BENCH_ANY),
    FLOOR("err", "err_as3", find, 20000000, BENCH_ANY),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads, .count = COUNT(workloads) });
}
