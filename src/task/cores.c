/* SPDX-License-Identifier: MIT */
#include "task/cores.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The first bytes of a file as a string; false if it cannot be read. */
static bool read_text(const char *path, char *buf, size_t size)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return false;
    size_t length = fread(buf, 1, size - 1, file);
    buf[length] = '\0';
    fclose(file);
    return length > 0;
}

/* Cores for `quota` microseconds in each `period`, rounded up; 0: no limit. */
static unsigned of_quota(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cores = quota / period + (quota % period != 0);
    return cores > 1024 ? 1024 : (unsigned)cores;
}

static unsigned smaller_limit(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* cgroup v2: `cpu.max` holds "max 100000" or "150000 100000". */
static unsigned quota_v2(const char *dir)
{
    char path[PATH_BYTES], text[128];
    long long quota, period;

    if (snprintf(path, sizeof path, "%s/cpu.max", dir) >= (int)sizeof path ||
        !read_text(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2)
        return 0;
    return of_quota(quota, period);
}

static unsigned quota_v1(const char *dir)
{
    char path[PATH_BYTES], quota[64], period[64];

    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir) >= (int)sizeof path ||
        !read_text(path, quota, sizeof quota))
        return 0;
    if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir) >= (int)sizeof path ||
        !read_text(path, period, sizeof period))
        return 0;
    return of_quota(atoll(quota), atoll(period));
}

/* The smallest limit from `root` + `group` up to `root`. */
static unsigned climb(const char *root, const char *group, unsigned (*quota)(const char *dir))
{
    char dir[PATH_BYTES];
    unsigned limit = 0;

    if (snprintf(dir, sizeof dir, "%s%s", root, group) >= (int)sizeof dir)
        return 0;
    for (;;) {
        limit = smaller_limit(limit, quota(dir));
        char *slash = strrchr(dir, '/');
        if (slash == NULL || (size_t)(slash - dir) < strlen(root))
            return limit;
        *slash = '\0';
    }
}

/* Whether "cpu" is in a list such as "cpuacct,cpu". */
static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == '\0'))
            return true;
    }
    return false;
}

/* Lines of /proc/self/cgroup are "hierarchy:controllers:/group"; "0::/group" is version 2. */
unsigned keel__cores_of_cgroup(const char *root, const char *self)
{
    char text[PATH_BYTES], v1_root[PATH_BYTES];
    unsigned limit = 0;

    snprintf(text, sizeof text, "%s", self);
    snprintf(v1_root, sizeof v1_root, "%s/cpu", root);
    for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *group++ = '\0';
        if (controllers[1] == '\0')
            limit = smaller_limit(limit, climb(root, group, quota_v2));
        else if (has_cpu(controllers + 1))
            limit = smaller_limit(limit, climb(v1_root, group, quota_v1));
    }
    return limit;
}

unsigned keel__cores(void)
{
    char self[PATH_BYTES];
    unsigned cores = 0, limit = 0;

#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (unsigned)CPU_COUNT(&set);
#endif
    if (cores == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cores = online > 0 ? (unsigned)online : 1;
    }
    if (read_text("/proc/self/cgroup", self, sizeof self))
        limit = keel__cores_of_cgroup("/sys/fs/cgroup", self);
    return limit != 0 && limit < cores ? limit : cores;
}
