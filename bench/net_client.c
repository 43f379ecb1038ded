/* SPDX-License-Identifier: MIT */
#include "net_load.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* The load of section `net`, the same for all servers:
 *
 *     bench_net_client echo PORT CONNS N    sends and gets back N messages in all, and prints how many ns that took
 *     bench_net_client idle PORT CONNS 0    connects, prints how many ns that took, and goes at its input's end
 *
 * One thread with a loop of epoll, on the last CPU: a server that has one CPU has the first. */

enum { EVENTS = 64 };

typedef struct conn {
    int fd;
    size_t got; /* of the message that comes back */
} conn;

static char message[BENCH_NET_MESSAGE];

static void use_last_cpu(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)(count > 0 ? count - 1 : 0), &set);
    (void)sched_setaffinity(0, sizeof set, &set); /* where it may not: wherever it may */
}

static void open_conn(conn *c, unsigned port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BENCH_CHECK(c->fd >= 0);
    BENCH_CHECK(connect(c->fd, (const struct sockaddr *)&to, sizeof to) == 0);
    BENCH_CHECK(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
}

static void send_message(conn *c)
{
    c->got = 0; /* one message always finds room */
    BENCH_CHECK(send(c->fd, message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message);
}

/* Takes what is there; true when the message is back. */
static bool receive(conn *c)
{
    char bytes[BENCH_NET_MESSAGE];
    ssize_t count = recv(c->fd, bytes, sizeof bytes - c->got, MSG_DONTWAIT);

    BENCH_CHECK(count > 0 || (count < 0 && errno == EAGAIN));
    if (count < 0)
        return false;
    BENCH_CHECK(memcmp(bytes, message + c->got, (size_t)count) == 0);
    c->got += (size_t)count;
    return c->got == sizeof message;
}

/* `n` round trips, each connection always having one under way. */
static void round_trips(int epoll, conn *conns, size_t count, size_t n)
{
    struct epoll_event ready[EVENTS];
    size_t sent = 0, done = 0;

    for (size_t i = 0; i < count && sent < n; i++, sent++)
        send_message(&conns[i]);
    while (done < n) {
        int events = epoll_wait(epoll, ready, EVENTS, -1);

        BENCH_CHECK(events > 0 || errno == EINTR);
        for (int i = 0; i < events; i++) {
            conn *c = ready[i].data.ptr;

            if (!receive(c))
                continue;
            done++;
            if (sent < n) {
                send_message(c);
                sent++;
            }
        }
    }
}

static void echo(conn *conns, size_t count, size_t n)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    BENCH_CHECK(epoll >= 0);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event wanted = { .events = EPOLLIN, .data = { .ptr = &conns[i] } };

        BENCH_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &wanted) == 0);
    }
    round_trips(epoll, conns, count, count + n / 8);
    double start = bench_now_ns();
    round_trips(epoll, conns, count, n);
    printf("%.0f\n", bench_now_ns() - start);
    fflush(stdout);
    close(epoll);
}

static void idle(double start)
{
    char byte;

    printf("%.0f\n", bench_now_ns() - start);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s echo|idle PORT CONNS N\n", argv[0]);
        return 2;
    }
    unsigned port = (unsigned)strtoul(argv[2], NULL, 10);
    size_t count = strtoul(argv[3], NULL, 10), n = strtoul(argv[4], NULL, 10);
    conn *conns = calloc(count, sizeof *conns);

    BENCH_CHECK(conns != NULL && bench_net_room(count) == count);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (char)('a' + i % 26);
    use_last_cpu();
    double start = bench_now_ns();
    for (size_t i = 0; i < count; i++)
        open_conn(&conns[i], port);
    if (strcmp(argv[1], "echo") == 0)
        echo(conns, count, n);
    else
        idle(start);
    for (size_t i = 0; i < count; i++)
        close(conns[i].fd);
    free(conns);
    return 0;
}
