/* SPDX-License-Identifier: MIT */
#include "words.h"

keel_err *words_add(words *table, const char *word, size_t len, int64_t count)
{
    int64_t *counted;
    bool added;

    KEEL_TRY(word_counts_entry(&table->counts, (keel_str){ word, len }, &counted, &added));
    *counted += count;
    table->total += count;
    table->distinct_bytes += added ? len : 0;
    if (table->counts.len > MAX_DISTINCT_WORDS)
        return keel_err_wrap(KEEL_ERR_LIMIT, "more than %d distinct words", MAX_DISTINCT_WORDS);
    if (table->distinct_bytes > MAX_DISTINCT_BYTES)
        return keel_err_wrap(KEEL_ERR_LIMIT, "distinct words of more than %d bytes in all",
                             MAX_DISTINCT_BYTES);
    return NULL;
}

keel_err *words_add_text(words *table, const char *text, size_t len)
{
    char word[MAX_WORD_BYTES];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool letter = is_letter(text[i]);
        if (n > 0 && (!letter || n == sizeof word)) {
            KEEL_TRY(words_add(table, word, n, 1));
            n = 0;
        }
        if (letter)
            word[n++] = (char)(text[i] | 0x20);
    }
    return n > 0 ? words_add(table, word, n, 1) : NULL;
}

keel_err *words_merge(words *table, const words *other)
{
    for (word_counts_iter it = word_counts_each(&other->counts); word_counts_next(&it);)
        KEEL_TRY(words_add(table, it.key.ptr, it.key.len, *it.value));
    return NULL;
}

bool words_equal(const words *a, const words *b)
{
    return a->total == b->total && word_counts_equal(&a->counts, &b->counts);
}

static bool comes_before(const word_count *a, const word_count *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return keel_str_compare(a->word, b->word) < 0;
}

size_t words_top(const words *table, word_count *top, size_t max)
{
    size_t n = 0;

    for (word_counts_iter it = word_counts_each(&table->counts); word_counts_next(&it);) {
        const word_count candidate = { it.key, *it.value };
        if (n == max && !comes_before(&candidate, &top[max - 1]))
            continue;
        size_t place = n < max ? n++ : max - 1; /* the last one, if all are taken, is dropped */
        for (; place > 0 && comes_before(&candidate, &top[place - 1]); place--)
            top[place] = top[place - 1];
        top[place] = candidate;
    }
    return n;
}

void words_deinit(words *table)
{
    word_counts_deinit(&table->counts);
    *table = (words){ 0 };
}
