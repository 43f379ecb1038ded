/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BENCH_NET_LOAD_H
#define KEEL_BENCH_NET_LOAD_H

/* The load of section `net`, from a server's side: net_client.c, a process of its own, which is the same for all
 * servers. It tells what it measured on its standard output, and an idle one goes when its input ends. */

#include <sys/types.h>

#include "harness.h"

enum { BENCH_NET_MESSAGE = 64, BENCH_NET_IDLE = 10000 };

typedef struct bench_net_load {
    pid_t pid;
    int in, out; /* its input and output, from here */
} bench_net_load;

/* Starts a client of that port of this machine: "echo" makes `conns` connections and `n` round trips in all,
 * "idle" only the connections. */
void bench_net_start(bench_net_load *load, const char *what, unsigned port, size_t conns, size_t n);

/* Waits for the client's next number: the ns of all round trips, or of all connections. */
double bench_net_number(bench_net_load *load);

/* Ends its input, and waits for its end. */
void bench_net_end(bench_net_load *load);

/* Allows as many descriptors as the system does, and returns how many connections are possible, at most `wanted`. */
size_t bench_net_room(size_t wanted);

/* What the process occupies, after what it has freed was given back. */
double bench_net_resident(void);

#endif /* KEEL_BENCH_NET_LOAD_H */
