/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_WORDS_H
#define DATA_PIPELINE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>

/* A word is a run of ASCII letters, lower-cased. Every other byte, 0x80 and above too, separates
 * words. Of a run longer than this, each piece of this length counts as a word. */
#define MAX_WORD_BYTES 256

/* What one table holds at most, so that no input can use up the memory. */
#define MAX_DISTINCT_WORDS 1000000
#define MAX_DISTINCT_BYTES (32 << 20)

/* From words to their counts, inlined: here the program spends its time. */
#define KEEL_MAP_NAME word_counts
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE int64_t
#define KEEL_MAP_VALUE_EQ keel_eq_i64
#include <keel/map.h>

/* How often each word occurs. All zero is an empty table; it has one user at a time. */
typedef struct words {
    word_counts counts;
    int64_t total;
    size_t distinct_bytes;
} words;

typedef struct word_count {
    keel_str word; /* borrowed from the table */
    int64_t count;
} word_count;

static inline bool is_letter(char c)
{
    return (unsigned char)(((unsigned char)c | 0x20) - 'a') < 26;
}

/* Counts a word, already in lower case, `count` times. Errors: KEEL_ERR_NOMEM, KEEL_ERR_LIMIT. */
keel_err *words_add(words *table, const char *word, size_t len, int64_t count);

/* Counts the words of a text that neither begins nor ends within a word. Errors: the same. */
keel_err *words_add_text(words *table, const char *text, size_t len);

/* Adds all counts of another table. Errors: the same. */
keel_err *words_merge(words *table, const words *other);

bool words_equal(const words *a, const words *b);

/* Finds the most frequent words, ties in alphabetical order. Returns how many, at most `max`. */
size_t words_top(const words *table, word_count *top, size_t max);

void words_deinit(words *table);

#endif /* DATA_PIPELINE_WORDS_H */
