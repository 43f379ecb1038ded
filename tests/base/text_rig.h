/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_TEXT_RIG_H
#define KEEL_TESTS_TEXT_RIG_H

/* What the tests of text and memory share. Include support.h first. */

#include <sys/mman.h>
#include <unistd.h>

/* Sizes that no machine has are refused, as by any allocator. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Operations of a test against a model. */
static inline size_t rig_rounds(void)
{
    return getenv("KEEL_TEST_LONG") != NULL ? 10000000 : 100000;
}

/* A copy of a few bytes (a page at most) whose last one is followed by memory that nobody may touch: it
 * stays as it is until the next call, and is writable. */
static inline char *rig_at_page_end(const void *bytes, size_t size)
{
    static char *pages;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (pages == NULL) {
        pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(pages != MAP_FAILED);
        assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    }
    assert_true(size <= page);
    char *copy = pages + page - size;
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

/* Some bytes, often of those that text functions look at. */
static inline size_t rig_bytes(keel_rand *rand, char *bytes, size_t max)
{
    static const char interesting[] =
        "\"\\\n\t\r\x01\x1F\x20\x7F,,  aAzZ019-+.eE\xC2\xA9\xE2\x82\xAC\xF0"
        "\x9F\x92\xA9\xED\xA0\x80\xC0\xF4\x90\xEF\xBF\xBD\xE0";
    size_t size = (size_t)keel_rand_below(rand, max + 1);
    uint64_t kind = keel_rand_below(rand, 4);

    for (size_t i = 0; i < size; i++) {
        if (kind == 0)
            bytes[i] = (char)keel_rand_u64(rand);
        else if (kind == 1 && keel_rand_below(rand, 16) != 0)
            bytes[i] = 'x';
        else
            bytes[i] = interesting[keel_rand_below(rand, sizeof interesting)];
    }
    return size;
}

static inline keel_str rig_str(const char *text)
{
    return (keel_str){ text, strlen(text) };
}

static inline void rig_assert_str(keel_str got, const char *want)
{
    if (!keel_str_equal(got, rig_str(want)))
        fail_msg("\"" KEEL_STR_FMT "\" is not \"%s\"", KEEL_STR_ARG(got), want);
}

#endif /* KEEL_TESTS_TEXT_RIG_H */
