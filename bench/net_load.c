/* SPDX-License-Identifier: MIT */
#include "net_load.h"

#include <fcntl.h>
#include <malloc.h>
#include <spawn.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

void bench_net_start(bench_net_load *load, const char *what, unsigned port, size_t conns, size_t n)
{
    const char *program = getenv("BENCH_NET_CLIENT");
    char numbers[3][24];
    char *argv[] = { "bench_net_client", (char *)(uintptr_t)what,
                     numbers[0],         numbers[1],
                     numbers[2],         NULL };
    posix_spawn_file_actions_t actions;
    int in[2], out[2];

    if (program == NULL)
        program = "build/bench/bench/bench_net_client";
    snprintf(numbers[0], sizeof numbers[0], "%u", port);
    snprintf(numbers[1], sizeof numbers[1], "%zu", conns);
    snprintf(numbers[2], sizeof numbers[2], "%zu", n);
    BENCH_CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    BENCH_CHECK(posix_spawn_file_actions_init(&actions) == 0);
    BENCH_CHECK(posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO) == 0);
    BENCH_CHECK(posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO) == 0);
    BENCH_CHECK(posix_spawn(&load->pid, program, &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    load->in = in[1];
    load->out = out[0];
}

double bench_net_number(bench_net_load *load)
{
    char line[64];
    size_t size = 0;

    do { /* a line is written at once, but read as it comes */
        ssize_t count = read(load->out, line + size, 1);

        BENCH_CHECK(count == 1);
    } while (line[size] != '\n' && ++size < sizeof line);
    BENCH_CHECK(size < sizeof line);
    line[size] = '\0';
    return strtod(line, NULL);
}

void bench_net_end(bench_net_load *load)
{
    int status;

    close(load->in);
    BENCH_CHECK(waitpid(load->pid, &status, 0) == load->pid && status == 0);
    close(load->out);
}

size_t bench_net_room(size_t wanted)
{
    enum { OTHERS = 64 };
    struct rlimit limit;

    BENCH_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    BENCH_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    BENCH_CHECK(limit.rlim_cur > OTHERS);
    if (limit.rlim_cur - OTHERS >= wanted)
        return wanted;
    fprintf(stderr, "only %lu descriptors: fewer connections\n", (unsigned long)limit.rlim_cur);
    return (size_t)limit.rlim_cur - OTHERS;
}

double bench_net_resident(void)
{
    unsigned long pages = 0;
    FILE *statm;

    malloc_trim(0);
    statm = fopen("/proc/self/statm", "r");
    BENCH_CHECK(statm != NULL && fscanf(statm, "%*u %lu", &pages) == 1);
    fclose(statm);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}
