/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "task/cores.h"

/* ---- Made-up trees of the cgroup file system ---- */

enum { PATH_BYTES = 1024, FILES = 6 };

typedef struct text_file {
    const char *path; /* below the root; its directories are made */
    const char *text;
} text_file;

typedef struct tree {
    const char *name;
    const char *self; /* /proc/self/cgroup */
    text_file files[FILES];
    unsigned cores;
} tree;

static void make_file(const char *root, const text_file *file)
{
    char path[PATH_BYTES];

    assert_true(snprintf(path, sizeof path, "%s/%s", root, file->path) < (int)sizeof path);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700); /* it may be there */
        *slash = '/';
    }
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(file->text, out);
    fclose(out);
}

/* Removes a file and the directories above it that are empty then, up to the root. */
static void remove_file(const char *root, const text_file *file)
{
    char path[PATH_BYTES];

    assert_true(snprintf(path, sizeof path, "%s/%s", root, file->path) < (int)sizeof path);
    unlink(path);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && slash > path + strlen(root);) {
        *slash = '\0';
        rmdir(path);
    }
}

static unsigned cores_of(const tree *t)
{
    const char *dir = getenv("TMPDIR");
    char root[PATH_BYTES];

    snprintf(root, sizeof root, "%s/keel_cores_XXXXXX", dir != NULL ? dir : "/tmp");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < FILES && t->files[i].path != NULL; i++)
        make_file(root, &t->files[i]);
    unsigned cores = keel__cores_of_cgroup(root, t->self);
    for (size_t i = 0; i < FILES && t->files[i].path != NULL; i++)
        remove_file(root, &t->files[i]);
    assert_int_equal(rmdir(root), 0);
    return cores;
}

static const tree trees[] = {
    { "no cgroup at all", "", { { NULL, NULL } }, 0 },
    { "a group without files", "0::/a/b\n", { { NULL, NULL } }, 0 },
    { "no limit", "0::/a\n", { { "a/cpu.max", "max 100000\n" } }, 0 },
    { "whole cores", "0::/a\n", { { "a/cpu.max", "300000 100000\n" } }, 3 },
    { "rounded up", "0::/a\n", { { "a/cpu.max", "210000 100000\n" } }, 3 },
    { "less than one core", "0::/a\n", { { "a/cpu.max", "1000 100000\n" } }, 1 },
    { "another period", "0::/a\n", { { "a/cpu.max", "20000 10000\n" } }, 2 },
    { "at the root, as seen from a container", "0::/\n", { { "cpu.max", "200000 100000\n" } }, 2 },
    { "an empty group", "0::\n", { { "cpu.max", "200000 100000\n" } }, 2 },
    { "a path from outside the container",
      "0::/docker/17\n",
      { { "cpu.max", "200000 100000\n" } },
      2 },
    { "a parent's is smaller",
      "0::/a/b/c\n",
      { { "a/b/c/cpu.max", "800000 100000\n" },
        { "a/b/cpu.max", "max 100000\n" },
        { "a/cpu.max", "400000 100000\n" } },
      4 },
    { "a parent's is larger",
      "0::/a/b\n",
      { { "a/b/cpu.max", "200000 100000\n" }, { "a/cpu.max", "400000 100000\n" } },
      2 },
    { "a neighbour's does not count",
      "0::/a\n",
      { { "a/cpu.max", "max 100000\n" }, { "b/cpu.max", "100000 100000\n" } },
      0 },
    { "a longer name does not count",
      "0::/a\n",
      { { "a/cpu.max", "max 100000\n" }, { "ab/cpu.max", "100000 100000\n" } },
      0 },
    { "colons in a name", "0::/user:1/b\n", { { "user:1/b/cpu.max", "200000 100000\n" } }, 2 },
    { "rubbish", "0::/a\n", { { "a/cpu.max", "rubbish\n" } }, 0 },
    { "an empty file", "0::/a\n", { { "a/cpu.max", "" } }, 0 },
    { "half a line", "0::/a\n", { { "a/cpu.max", "100000" } }, 0 },
    { "a period of nothing", "0::/a\n", { { "a/cpu.max", "100000 0\n" } }, 0 },
    { "a quota of nothing", "0::/a\n", { { "a/cpu.max", "0 100000\n" } }, 0 },
    { "a negative quota", "0::/a\n", { { "a/cpu.max", "-1 100000\n" } }, 0 },
    { "more cores than there can be",
      "0::/a\n",
      { { "a/cpu.max", "9223372036854775807 1\n" } },
      1024 },
    { "lines that are none", "rubbish\n0:\n0::/a\n", { { "a/cpu.max", "100000 100000\n" } }, 1 },
    { "no newline at the end", "0::/a", { { "a/cpu.max", "200000 100000" } }, 2 },
    { "version 1",
      "3:cpuset:/x\n2:cpu,cpuacct:/a\n1:name=systemd:/y\n",
      { { "cpu/a/cpu.cfs_quota_us", "250000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      3 },
    { "version 1, cpu alone",
      "2:cpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "200000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      2 },
    { "version 1, cpu last",
      "2:cpuacct,cpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "200000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      2 },
    { "version 1, cpu between others",
      "2:cpuset,cpu,cpuacct:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "200000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      2 },
    { "version 1, other controllers",
      "2:cpuset:/a\n3:cpuacct:/a\n4:xcpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "200000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      0 },
    { "version 1, no limit",
      "2:cpu,cpuacct:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "-1\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      0 },
    { "version 1, a quota without a period",
      "2:cpu,cpuacct:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "200000\n" } },
      0 },
    { "version 1, at the mount's root only",
      "2:cpu,cpuacct:/docker/17\n",
      { { "cpu/cpu.cfs_quota_us", "200000\n" }, { "cpu/cpu.cfs_period_us", "100000\n" } },
      2 },
    { "both versions: the smaller",
      "2:cpu,cpuacct:/a\n0::/b\n",
      { { "cpu/a/cpu.cfs_quota_us", "500000\n" },
        { "cpu/a/cpu.cfs_period_us", "100000\n" },
        { "b/cpu.max", "400000 100000\n" } },
      4 },
};

static void quotas_of_cgroups_are_found(void **state)
{
    (void)state;
    size_t wrong = 0;

    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        unsigned cores = cores_of(&trees[i]);

        if (cores == trees[i].cores)
            continue;
        print_error("%s: %u cores instead of %u\n", trees[i].name, cores, trees[i].cores);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* A path that does not fit anywhere is no limit, and no overflow. */
static void a_very_long_group_is_no_limit(void **state)
{
    (void)state;
    enum { LENGTH = 20000 };
    char *self = malloc(LENGTH + 1);

    assert_non_null(self);
    for (size_t length = 4000; length <= LENGTH; length += 16000) {
        memset(self, 'x', length);
        memcpy(self, "0::/", 4);
        self[length] = '\0';
        assert_int_equal(keel__cores_of_cgroup("/nowhere", self), 0);
        memset(self + 4, '/', length - 4);
        assert_int_equal(keel__cores_of_cgroup("/nowhere", self), 0);
    }
    free(self);
}

/* ---- Affinity ---- */

#ifdef __linux__

static void use_one_core(void *arg)
{
    cpu_set_t now, one;
    keel_runtime *rt;
    size_t first = 0;

    (void)arg;
    if (sched_getaffinity(0, sizeof now, &now) != 0)
        _exit(2);
    while (!CPU_ISSET(first, &now))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        _exit(3);
    if (keel__cores() != 1)
        _exit(4);
    if (keel_runtime_start(&rt, NULL) != NULL)
        _exit(5);
    if (keel_runtime_workers(rt) != 1)
        _exit(6);
    if (keel_runtime_stop(NULL, rt) != NULL)
        _exit(7);
}

static void a_process_that_may_use_one_core_has_one_worker(void **state)
{
    (void)state;
    int status;

    support_child(use_one_core, NULL, &status);
    assert_int_equal(status, 0);
}

static void start_without_descriptors(void *arg)
{
    keel_runtime *rt;
    struct stat about;

    (void)arg;
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    bool fine = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }) == NULL;
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++)
        fine = fine && fstat(fd, &about) == 0 && S_ISCHR(about.st_mode);
    fine = fine && keel_runtime_stop(NULL, rt) == NULL;
    _exit(fine ? 0 : 1);
}

static void descriptors_that_are_closed_are_no_place_for_a_loop(void **state)
{
    (void)state;
    int status;

    support_child(start_without_descriptors, NULL, &status);
    assert_int_equal(status, 0);
}

static void there_is_a_core_and_no_more_than_may_be_used(void **state)
{
    (void)state;
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_in_range(keel__cores(), 1, CPU_COUNT(&set));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(quotas_of_cgroups_are_found),
        support_test(a_very_long_group_is_no_limit),
#ifdef __linux__
        support_test(a_process_that_may_use_one_core_has_one_worker),
        support_test(descriptors_that_are_closed_are_no_place_for_a_loop),
        support_test(there_is_a_core_and_no_more_than_may_be_used),
#endif
    };

    support_mem_install();
    return cmocka_run_group_tests_name("cores", tests, NULL, NULL);
}
