/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net_load.h"

/* What a server needs at least: a loop of epoll for each CPU, which reads and writes what is ready. An idle connection is
 * a record on the heap. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { EVENTS = 64, LOOPS = 2 };

typedef struct conn {
    int fd;
    char room[60]; /* what a server must know about one */
} conn;

typedef struct loop {
    int epoll;
    size_t open; /* connections that it has, or will have */
    pthread_t thread;
} loop;

static int listen_here(unsigned *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BENCH_CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0);
    BENCH_CHECK(listen(fd, 1024) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Returns false when the peer has gone. */
static bool answer(const conn *c)
{
    char bytes[BENCH_NET_MESSAGE];
    ssize_t count = recv(c->fd, bytes, sizeof bytes, 0);

    if (count < 0)
        return errno == EAGAIN;
    if (count == 0)
        return false;
    BENCH_CHECK(send(c->fd, bytes, (size_t)count, MSG_NOSIGNAL) == count);
    return true;
}

static void *run_loop(void *arg)
{
    loop *l = arg;
    struct epoll_event ready[EVENTS];

    while (l->open > 0) {
        int count = epoll_wait(l->epoll, ready, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            conn *c = ready[i].data.ptr;

            if (answer(c))
                continue;
            close(c->fd);
            free(c);
            l->open--;
        }
    }
    close(l->epoll);
    return NULL;
}

static void accept_one(int listener, loop *l)
{
    conn *c = malloc(sizeof *c);
    struct epoll_event wanted = { .events = EPOLLIN, .data = { .ptr = c } };
    int on = 1;

    BENCH_CHECK(c != NULL);
    c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    BENCH_CHECK(c->fd >= 0);
    BENCH_CHECK(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    BENCH_CHECK(epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &wanted) == 0);
}

static void echo(bench *b, size_t conns)
{
    const unsigned used = b->procs < LOOPS ? 1 : LOOPS;
    loop loops[LOOPS] = { 0 };
    bench_net_load load;
    unsigned port;
    int listener = listen_here(&port);

    for (unsigned i = 0; i < used; i++) {
        loops[i].epoll = epoll_create1(EPOLL_CLOEXEC);
        loops[i].open = conns / used + (i < conns % used);
        BENCH_CHECK(loops[i].epoll >= 0);
        BENCH_CHECK(pthread_create(&loops[i].thread, NULL, run_loop, &loops[i]) == 0);
    }
    bench_net_start(&load, "echo", port, conns, b->n);
    for (size_t i = 0; i < conns; i++)
        accept_one(listener, &loops[i % used]);
    b->value = bench_net_number(&load) / (double)b->n;
    bench_net_end(&load);
    for (unsigned i = 0; i < used; i++)
        pthread_join(loops[i].thread, NULL);
    close(listener);
}

static void echo_1(bench *b)
{
    echo(b, 1);
}

static void echo_64(bench *b)
{
    echo(b, 64);
}

static void idle(bench *b)
{
    bench_net_load load;
    unsigned port;
    int listener = listen_here(&port);
    loop l = { .epoll = epoll_create1(EPOLL_CLOEXEC) };

    l.open = b->n = bench_net_room(b->n);
    const double before = bench_net_resident();
    bench_net_start(&load, "idle", port, b->n, 0);
    for (size_t i = 0; i < b->n; i++)
        accept_one(listener, &l);
    (void)bench_net_number(&load);
    b->value = (bench_net_resident() - before) / (double)b->n;
    bench_net_end(&load);
    (void)run_loop(&l);
    close(listener);
}

static const bench_workload workloads[] = {
    { .section = "net",
      .name = "net_idle_10k_rss",
      .peer = "floor",
      .run = idle,
      .n = BENCH_NET_IDLE,
      .unit = "B/conn",
      .slow = true },
    { .section = "net",
      .name = "net_echo_1",
      .peer = "floor",
      .run = echo_1,
      .n = 20000,
      .procs = BENCH_BOTH },
    { .section = "net",
      .name = "net_echo_64",
      .peer = "floor",
      .run = echo_64,
      .n = 64000,
      .procs = BENCH_BOTH },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads, .count = COUNT(workloads) });
}
