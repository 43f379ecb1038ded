/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <string.h>

#include <keel/mem.h>

/* Open addressing: a word sits in the first free slot at or after its hash. Nothing is ever
 * removed, and at least half of the slots are free, so that a search ends soon. */
typedef struct words_slot {
    uint64_t count;
    uint32_t at; /* where its text begins */
    uint32_t hash;
    uint16_t len; /* 0: the slot is free */
} words_slot;

/* FNV-1a from a secret start, folded. */
static uint32_t hash_word(uint64_t seed, const char *word, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325U ^ seed;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)word[i]) * 0x100000001b3U;
    return (uint32_t)(hash ^ hash >> 32);
}

/* The slot of a word, or the free one where it belongs. */
static words_slot *find(const words *table, uint32_t hash, const char *word, size_t len)
{
    for (size_t i = hash;; i++) {
        words_slot *slot = &table->slots[i & (table->capacity - 1)];
        if (slot->len == 0)
            return slot;
        if (slot->hash == hash && slot->len == len &&
            memcmp(table->text + slot->at, word, len) == 0)
            return slot;
    }
}

static keel_err *grow_slots(words *table)
{
    words old = *table;
    size_t capacity = old.capacity == 0 ? 1024 : 2 * old.capacity;

    words_slot *slots = keel_mem_calloc(capacity, sizeof *slots);
    if (slots == NULL)
        return KEEL_ERR_NOMEM;
    table->slots = slots;
    table->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        const words_slot *slot = &old.slots[i];
        if (slot->len != 0)
            *find(table, slot->hash, old.text + slot->at, slot->len) = *slot;
    }
    keel_mem_free(old.slots);
    return NULL;
}

static keel_err *grow_text(words *table)
{
    size_t capacity = table->text_capacity == 0 ? 8192 : 2 * table->text_capacity;

    char *text = keel_mem_realloc(table->text, capacity);
    if (text == NULL)
        return KEEL_ERR_NOMEM;
    table->text = text;
    table->text_capacity = capacity;
    return NULL;
}

keel_err *words_add(words *table, const char *word, size_t len, uint64_t count)
{
    if (2 * table->distinct >= table->capacity)
        KEEL_TRY(grow_slots(table));

    uint32_t hash = hash_word(table->seed, word, len);
    words_slot *slot = find(table, hash, word, len);
    if (slot->len == 0) {
        if (table->distinct == MAX_DISTINCT_WORDS)
            return keel_err_wrap(KEEL_ERR_LIMIT, "more than %d distinct words", MAX_DISTINCT_WORDS);
        if (table->text_bytes + len > MAX_DISTINCT_BYTES)
            return keel_err_wrap(KEEL_ERR_LIMIT, "distinct words of more than %d bytes in all",
                                 MAX_DISTINCT_BYTES);
        if (table->text_bytes + len > table->text_capacity)
            KEEL_TRY(grow_text(table)); /* once is enough: a word is shorter than the first step */
        memcpy(table->text + table->text_bytes, word, len);
        *slot =
            (words_slot){ .at = (uint32_t)table->text_bytes, .hash = hash, .len = (uint16_t)len };
        table->text_bytes += len;
        table->distinct++;
    }
    slot->count += count;
    table->total += count;
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
    for (size_t i = 0; i < other->capacity; i++) {
        const words_slot *slot = &other->slots[i];
        if (slot->len != 0)
            KEEL_TRY(words_add(table, other->text + slot->at, slot->len, slot->count));
    }
    return NULL;
}

bool words_equal(const words *a, const words *b)
{
    if (a->total != b->total || a->distinct != b->distinct)
        return false;
    for (size_t i = 0; i < a->capacity; i++) {
        const words_slot *slot = &a->slots[i];
        if (slot->len == 0)
            continue;
        const char *word = a->text + slot->at;
        const words_slot *same = find(b, hash_word(b->seed, word, slot->len), word, slot->len);
        if (same->len == 0 || same->count != slot->count)
            return false;
    }
    return true;
}

static bool comes_before(const word_count *a, const word_count *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return order < 0 || (order == 0 && a->len < b->len);
}

size_t words_top(const words *table, word_count *top, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < table->capacity; i++) {
        const words_slot *slot = &table->slots[i];
        word_count candidate = { table->text + slot->at, slot->len, slot->count };
        if (slot->len == 0 || (n == max && !comes_before(&candidate, &top[max - 1])))
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
    keel_mem_free(table->slots);
    keel_mem_free(table->text);
    *table = (words){ 0 };
}
