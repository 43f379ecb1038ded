/* SPDX-License-Identifier: MIT */

/* What <keel/map.h> and <keel/set.h> are made of; not for users. Included by itself it has the part that
 * does not depend on the types; with KEEL__TABLE_TYPES the type of a slot, with KEEL__TABLE_FUNCTIONS the
 * functions of a table, both after the parameters listed there.
 *
 * A table is one block: `cap` slots, `cap` control bytes, `cap / 16` overflow bytes, where `cap` is a power
 * of two from 16 on. A control byte is 0 for an empty slot, else a byte of the hash that is never 0.
 *
 *     slots     | 0 ............ 15 | 16 ........... 31 | ...
 *     control   | one group         | the next          | ...    16 bytes, looked at in one go
 *     overflow  | 1 byte            | 1 byte            | ...
 *
 * A key's probe begins at the group that the lower bits of its hash name, and goes on by 1, 2, 3 ... groups,
 * which visits all. An insertion that finds a group full sets bit `hash & 7` in the overflow byte of the
 * group and goes on; a search ends at the first group where that bit is clear. So removing only empties a
 * slot: there are no tombstones. What remains of a removed item are the overflow bits. They are counted: after
 * so many new ones the table is rehashed at its size, in place. At most 7/8 of the slots are used; then it
 * doubles, which leaves half of the items where they are. */

#ifndef KEEL_TABLE_H
#define KEEL_TABLE_H

#include <string.h>

#include <keel/hash.h>
#include <keel/str.h>
#include <keel/template.h>

KEEL_BEGIN_DECLS

/* The capacity that takes `count` items, in slots of `size` bytes: 0 if there can be no such table. */
size_t keel__table_cap(size_t count, size_t size);

/* How many items a table takes. */
static inline size_t keel__table_room(size_t cap)
{
    return cap - cap / 8;
}

/* The bytes of a table: 0 if it would be too large. */
size_t keel__table_bytes(size_t cap, size_t size);

/* ---- Groups ---- */

static inline unsigned char keel__table_tag(uint64_t hash)
{
    const unsigned tag = (unsigned)(hash >> 56);

    return (unsigned char)(tag + (tag == 0));
}

/* Of each of 16 control bytes a bit: whether it is `tag`, which may be 0. */

#if defined(__SSE2__) && defined(__GNUC__) && !defined(KEEL__PORTABLE)

typedef char keel__group __attribute__((vector_size(16)));

static inline unsigned keel__group_is(const unsigned char *control, unsigned char tag)
{
    const char t = (char)tag;
    const keel__group tags = { t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t };
    keel__group group;

    memcpy(&group, control, sizeof group);
    return (unsigned)__builtin_ia32_pmovmskb128((keel__group)(group == tags));
}

#else

/* Byte 0 is the lowest, whatever the machine's order. */
static inline uint64_t keel__group_half(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

/* The upper bit of each byte, side by side: the product puts bit 8i + 7 at 56 + i, and nothing else
 * there. */
static inline unsigned keel__group_bits(uint64_t half)
{
    return (unsigned)((half >> 7 & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

/* The upper bit of each byte that is `tag`. The other bytes' sums cannot carry. */
static inline uint64_t keel__group_equal(uint64_t half, unsigned char tag)
{
    const uint64_t low = 0x7F7F7F7F7F7F7F7Fu, differ = half ^ (0x0101010101010101u * tag);

    return ~(((differ & low) + low) | differ);
}

static inline unsigned keel__group_is(const unsigned char *control, unsigned char tag)
{
    return keel__group_bits(keel__group_equal(keel__group_half(control), tag)) |
           keel__group_bits(keel__group_equal(keel__group_half(control + 8), tag)) << 8;
}

#endif

/* Which slots are used. */
static inline unsigned keel__group_used(const unsigned char *control)
{
    return ~keel__group_is(control, 0) & 0xFFFF;
}

/* The index of the lowest bit, of which there is one. */
static inline unsigned keel__group_first(unsigned bits)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctz(bits);
#else
    unsigned index = 0;
    for (; (bits & 1) == 0; bits >>= 1)
        index++;
    return index;
#endif
}

/* Has the cache fetch what is at `offset` from `at`, if there is anything. */
static inline void keel__prefetch(const void *at, size_t offset)
{
#if defined(__GNUC__)
    __builtin_prefetch((const void *)((uintptr_t)at + offset));
#else
    (void)at;
    (void)offset;
#endif
}

#if defined(__GNUC__)
#define KEEL__LIKELY(condition) __builtin_expect((condition), 1)
#else
#define KEEL__LIKELY(condition) (condition)
#endif

/* ---- String keys as they lie in a slot ---- */

typedef struct keel__table_str {
    const char *ptr;
    uint32_t len;
    uint32_t hash; /* the lower half */
} keel__table_str;

static inline keel_str keel__table_str_view(const keel__table_str *str)
{
    keel_str view;

    view.ptr = str->ptr;
    view.len = str->len;
    return view;
}

static inline bool keel__table_str_is(const keel__table_str *str, keel_str key, uint64_t hash)
{
    return str->hash == (uint32_t)hash && str->len == key.len &&
           keel__same_bytes(str->ptr, key.ptr, key.len);
}

/* Makes *out the stored form of a key: a copy that ends in a NUL, or the caller's bytes. False: no
 * memory, or it is too long. */
bool keel__table_str_copy(keel__table_str *out, keel_str key, uint64_t hash);
bool keel__table_str_borrow(keel__table_str *out, keel_str key, uint64_t hash);

KEEL_END_DECLS

#endif /* KEEL_TABLE_H */

/* ---- The parameters ----
 *
 *     KEEL__TABLE, KEEL__TABLE_ITER    the types of the table and its iterator
 *     KEEL__TABLE_KEY                  the type of a key as it is passed
 *     KEEL__TABLE_HASH, KEEL__TABLE_EQ
 *     KEEL__TABLE_STR                  keys are strings: 1: copies, 0: borrowed; not defined: not strings
 *     KEEL__TABLE_VALUE                not defined: a set
 *     KEEL__TABLE_CACHED               the slot has 32 bits of the hash
 *     KEEL__TABLE_KEY_FREE, KEEL__TABLE_KEY_COPY, KEEL__TABLE_VALUE_FREE, KEEL__TABLE_VALUE_COPY
 */
#ifdef KEEL__TABLE_TYPES

#define KEEL__T(verb) KEEL__JOIN(KEEL__TABLE, keel__##verb)

typedef struct KEEL__T(slot) {
#ifdef KEEL__TABLE_STR
    keel__table_str key;
#else
    KEEL__TABLE_KEY key;
#endif
#ifdef KEEL__TABLE_VALUE
    KEEL__TABLE_VALUE value;
#endif
#ifdef KEEL__TABLE_CACHED
    uint32_t hash;
#endif
} KEEL__T(slot);

#undef KEEL__T
#endif

#ifdef KEEL__TABLE_FUNCTIONS

#define KEEL__T(verb) KEEL__JOIN(KEEL__TABLE, keel__##verb)
#define KEEL__T_SLOT KEEL__T(slot)

/* ---- Keys ---- */

static inline uint64_t KEEL__T(hash)(KEEL__TABLE_KEY key)
{
#ifdef KEEL__TABLE_STR
    return keel_hash_bytes(key.ptr, key.len);
#else
    return KEEL__TABLE_HASH(key);
#endif
}

/* The lower 32 bits of the hash at least: what finds the group and the overflow bit. */
static inline uint64_t KEEL__T(slot_hash)(const KEEL__T_SLOT *slot)
{
#if defined(KEEL__TABLE_STR)
    return slot->key.hash;
#elif defined(KEEL__TABLE_CACHED)
    return slot->hash;
#else
    return KEEL__TABLE_HASH(slot->key);
#endif
}

static inline bool KEEL__T(slot_is)(const KEEL__T_SLOT *slot, KEEL__TABLE_KEY key, uint64_t hash)
{
    (void)hash;
#if defined(KEEL__TABLE_STR)
    return keel__table_str_is(&slot->key, key, hash);
#elif defined(KEEL__TABLE_CACHED)
    return slot->hash == (uint32_t)hash && KEEL__TABLE_EQ(slot->key, key);
#else
    return KEEL__TABLE_EQ(slot->key, key);
#endif
}

static inline KEEL__TABLE_KEY KEEL__T(slot_key)(const KEEL__T_SLOT *slot)
{
#ifdef KEEL__TABLE_STR
    return keel__table_str_view(&slot->key);
#else
    return slot->key;
#endif
}

static inline void KEEL__T(free_key)(KEEL__T_SLOT *slot)
{
    (void)slot;
#if defined(KEEL__TABLE_STR)
    if (KEEL__TABLE_STR)
        keel_mem_free((void *)(uintptr_t)slot->key.ptr);
#elif defined(KEEL__TABLE_KEY_FREE)
    KEEL__TABLE_KEY_FREE(&slot->key);
#endif
}

static inline void KEEL__T(free_slot)(KEEL__T_SLOT *slot)
{
    KEEL__T(free_key)(slot);
#ifdef KEEL__TABLE_VALUE_FREE
    KEEL__TABLE_VALUE_FREE(&slot->value);
#endif
}

/* ---- Finding ---- */

/* Has the cache fetch where a key of this hash is likely to lie, before the control bytes say so: the lower
 * slots of a group are the first to be used. Pays for removals alone. */
static inline void KEEL__T(fetch)(const KEEL__TABLE *table, uint64_t hash)
{
    const size_t offset = ((size_t)hash & table->keel__mask) * sizeof(KEEL__T_SLOT);

    keel__prefetch(table->keel__slots, offset);
    keel__prefetch(table->keel__slots, offset + 64);
}

static inline size_t KEEL__T(cap)(const KEEL__TABLE *table)
{
    return table->keel__control != NULL ? table->keel__mask + 16 : 0;
}

/* The overflow byte of the group at `at`. */
static inline unsigned char *KEEL__T(overflow)(const KEEL__TABLE *table, size_t at)
{
    return table->keel__control + table->keel__mask + 16 + at / 16;
}

static inline KEEL__T_SLOT *KEEL__T(find)(const KEEL__TABLE *table, KEEL__TABLE_KEY key,
                                          uint64_t hash)
{
    const unsigned char tag = keel__table_tag(hash);
    const size_t mask = table->keel__mask;
    size_t at = (size_t)hash & mask;

    if (table->len == 0)
        return NULL;
    for (size_t step = 16;; step += 16) {
        for (unsigned bits = keel__group_is(table->keel__control + at, tag); bits != 0;
             bits &= bits - 1) {
            KEEL__T_SLOT *slot = &table->keel__slots[at + keel__group_first(bits)];
            if (KEEL__LIKELY(KEEL__T(slot_is)(slot, key, hash)))
                return slot;
        }
        if (KEEL__LIKELY((*KEEL__T(overflow)(table, at) >> (hash & 7) & 1) == 0) || step > mask)
            return NULL; /* the second: that was the last group */
        at = (at + step) & mask;
    }
}

/* ---- Growing ---- */

/* Sets an overflow bit. The last of those that may be new has the next insertion rehash. */
static inline void KEEL__T(spill)(KEEL__TABLE *table, unsigned char *overflow, uint64_t hash)
{
    const unsigned char bit = (unsigned char)(1 << (hash & 7));

    if ((*overflow & bit) != 0)
        return;
    *overflow |= bit;
    if (--table->keel__spills == 0)
        table->keel__limit = 0;
}

/* Marks an empty slot, of which there is one, as used by a key of this hash. */
static inline KEEL__T_SLOT *KEEL__T(occupy)(KEEL__TABLE *table, uint64_t hash, unsigned char tag)
{
    const size_t mask = table->keel__mask;
    size_t at = (size_t)hash & mask;
    unsigned free_bits;

    for (size_t step = 16;; step += 16) {
        free_bits = keel__group_is(table->keel__control + at, 0);
        if (KEEL__LIKELY(free_bits != 0))
            break;
        KEEL__T(spill)(table, KEEL__T(overflow)(table, at), hash);
        at = (at + step) & mask;
    }
    at += keel__group_first(free_bits);
    table->keel__control[at] = tag;
    return &table->keel__slots[at];
}

/* Says that there may be `spills` new overflow bits until the next rehash. */
static inline void KEEL__T(allow)(KEEL__TABLE *table, size_t spills)
{
    table->keel__limit = keel__table_room(table->keel__mask + 16);
    table->keel__spills = spills;
}

/* Makes the block one of `cap` slots, not fewer than it has, with their control bytes and no overflow bit. */
static inline bool KEEL__T(widen)(KEEL__TABLE *table, size_t cap)
{
    const size_t size = sizeof(KEEL__T_SLOT), old_cap = KEEL__T(cap)(table);
    const size_t bytes = keel__table_bytes(cap, size);

    if (cap > old_cap) {
        unsigned char *block =
            bytes != 0 ? (unsigned char *)keel_mem_realloc(table->keel__slots, bytes) : NULL;
        if (block == NULL)
            return false;
        table->keel__slots = (KEEL__T_SLOT *)(void *)block;
        table->keel__control = block + cap * size;
        table->keel__mask = cap - 16;
        memmove(table->keel__control, block + old_cap * size, old_cap);
    }
    memset(table->keel__control + old_cap, 0, cap - old_cap + cap / 16);
    KEEL__T(allow)(table, cap / 8);
    return true;
}

/* The used slots of the group at `at` whose keys another group would be the first for. */
static inline unsigned KEEL__T(strangers)(const KEEL__TABLE *table, size_t at)
{
    unsigned found = 0;

    for (unsigned bits = keel__group_used(table->keel__control + at); bits != 0; bits &= bits - 1) {
        const unsigned i = keel__group_first(bits);
        const KEEL__T_SLOT *slot = &table->keel__slots[at + i];

        keel__prefetch(slot, 64 * sizeof *slot);
        found |= (unsigned)((KEEL__T(slot_hash)(slot) & table->keel__mask) != at) << i;
    }
    return found;
}

/* Gives the table `cap` slots, not fewer than it has, and no more overflow bits than need be. In place: what
 * is in the first group of its probe stays, all else begins its probe again. What comes to a group that is
 * still to be visited is looked at again there. When the table doubles, what leaves group g goes to
 * g + cap / 32 nearly always: one sequence is read and one written. */
static inline bool KEEL__T(rehash)(KEEL__TABLE *table, size_t cap)
{
    const size_t old_cap = KEEL__T(cap)(table);

    if (!KEEL__T(widen)(table, cap))
        return false;
    for (size_t at = 0; at < old_cap; at += 16) {
        for (unsigned bits = KEEL__T(strangers)(table, at); bits != 0; bits &= bits - 1) {
            const size_t index = at + keel__group_first(bits);
            const KEEL__T_SLOT *slot = &table->keel__slots[index];
            const unsigned char tag = table->keel__control[index];

            table->keel__control[index] = 0;
            *KEEL__T(occupy)(table, KEEL__T(slot_hash)(slot), tag) = *slot;
        }
    }
    KEEL__T(allow)(table, cap / 8); /* those of the rehash do not count */
    table->keel__changes++;
    return true;
}

/* Moves everything to a smaller block of `cap` slots, if there is memory. */
static inline void KEEL__T(move)(KEEL__TABLE *table, size_t cap)
{
    const size_t old_cap = KEEL__T(cap)(table);
    KEEL__TABLE to = *table;

    to.keel__slots = NULL;
    to.keel__control = NULL;
    if (!KEEL__T(widen)(&to, cap))
        return;
    for (size_t at = 0; at < old_cap; at += 16) {
        for (unsigned bits = keel__group_used(table->keel__control + at); bits != 0;
             bits &= bits - 1) {
            const size_t index = at + keel__group_first(bits);
            const KEEL__T_SLOT *slot = &table->keel__slots[index];

            *KEEL__T(occupy)(&to, KEEL__T(slot_hash)(slot), table->keel__control[index]) = *slot;
        }
    }
    keel_mem_free(table->keel__slots);
    KEEL__T(allow)(&to, cap / 8);
    to.keel__changes++;
    *table = to;
}

/* Where the limit is reached: for what the overflow bits have done, or because the table is full. */
static inline bool KEEL__T(grow)(KEEL__TABLE *table)
{
    const size_t cap = KEEL__T(cap)(table);

    return KEEL__T(rehash)(table, cap == 0                             ? 16
                                  : table->len < keel__table_room(cap) ? cap
                                                                       : 2 * cap);
}

static inline keel_err *KEEL__T(make_room)(KEEL__TABLE *table, size_t more)
{
    if (more <= keel__table_room(KEEL__T(cap)(table)) - table->len)
        return NULL;
    const size_t cap = more <= SIZE_MAX - table->len
                           ? keel__table_cap(table->len + more, sizeof(KEEL__T_SLOT))
                           : 0;
    return cap != 0 && KEEL__T(rehash)(table, cap) ? NULL : KEEL_ERR_NOMEM;
}

static inline void KEEL__T(give_back)(KEEL__TABLE *table)
{
    const size_t cap = keel__table_cap(table->len, sizeof(KEEL__T_SLOT));

    if (table->len == 0 && table->keel__slots != NULL) {
        keel_mem_free(table->keel__slots);
        table->keel__slots = NULL;
        table->keel__control = NULL;
        table->keel__mask = table->keel__limit = 0;
        table->keel__changes++;
    } else if (cap < KEEL__T(cap)(table)) {
        KEEL__T(move)(table, cap);
    }
}

/* ---- Adding and removing ---- */

/* The slot of a key, added if need be; its value is then for the caller to set. Takes the key unless
 * there is no memory: NULL. */
static inline KEEL__T_SLOT *KEEL__T(claim)(KEEL__TABLE *table, KEEL__TABLE_KEY key, bool *added)
{
    const uint64_t hash = KEEL__T(hash)(key);
    KEEL__T_SLOT *slot = KEEL__T(find)(table, key, hash);

    *added = slot == NULL;
    if (slot != NULL) {
#if defined(KEEL__TABLE_KEY_FREE)
        if (memcmp(&key, &slot->key, sizeof key) != 0) /* else it was handed its own */
            KEEL__TABLE_KEY_FREE(&key);
#endif
        return slot;
    }
#ifdef KEEL__TABLE_STR
    keel__table_str stored;
    if (KEEL__TABLE_STR ? !keel__table_str_copy(&stored, key, hash)
                        : !keel__table_str_borrow(&stored, key, hash))
        return NULL;
#endif
    if (table->len >= table->keel__limit && !KEEL__T(grow)(table)) {
#ifdef KEEL__TABLE_STR
        if (KEEL__TABLE_STR)
            keel_mem_free((void *)(uintptr_t)stored.ptr);
#endif
        return NULL;
    }
    slot = KEEL__T(occupy)(table, hash, keel__table_tag(hash));
    table->len++;
    table->keel__changes++;
#ifdef KEEL__TABLE_STR
    slot->key = stored;
#else
    slot->key = key;
#endif
#ifdef KEEL__TABLE_CACHED
    slot->hash = (uint32_t)hash;
#endif
    return slot;
}

/* Empties a slot; what was in it is the caller's. */
static inline void KEEL__T(vacate)(KEEL__TABLE *table, const KEEL__T_SLOT *slot)
{
    table->keel__control[slot - table->keel__slots] = 0;
    table->len--;
    table->keel__changes++;
}

static inline void KEEL__T(empty)(KEEL__TABLE *table)
{
    const size_t cap = KEEL__T(cap)(table);

    if (cap == 0)
        return;
#if defined(KEEL__TABLE_KEY_FREE) || defined(KEEL__TABLE_VALUE_FREE) ||                            \
    (defined(KEEL__TABLE_STR) && KEEL__TABLE_STR)
    for (size_t at = 0; at < cap; at += 16) {
        for (unsigned bits = keel__group_used(table->keel__control + at); bits != 0;
             bits &= bits - 1)
            KEEL__T(free_slot)(&table->keel__slots[at + keel__group_first(bits)]);
    }
#endif
    memset(table->keel__control, 0, cap + cap / 16);
    KEEL__T(allow)(table, cap / 8);
    table->len = 0;
    table->keel__changes++;
}

/* ---- Going through ---- */

static inline KEEL__TABLE_ITER KEEL__T(begin)(const KEEL__TABLE *table)
{
    KEEL__TABLE_ITER it;

    memset(&it, 0, sizeof it);
    it.keel__of = table;
    it.keel__changes = table->keel__changes;
    return it;
}

/* The next slot, or NULL. */
static inline KEEL__T_SLOT *KEEL__T(step)(KEEL__TABLE_ITER *it)
{
    const KEEL__TABLE *table = it->keel__of;

    KEEL__UNCHANGED(it->keel__changes, table->keel__changes, KEEL__STRING(KEEL__TABLE));
    while (it->keel__bits == 0) {
        if (it->keel__at == KEEL__T(cap)(table)) {
            it->keel__slot = NULL;
            return NULL;
        }
        it->keel__bits = keel__group_used(table->keel__control + it->keel__at);
        it->keel__at += 16;
    }
    it->keel__slot = &table->keel__slots[it->keel__at - 16 + keel__group_first(it->keel__bits)];
    it->keel__bits &= it->keel__bits - 1;
    keel__prefetch(it->keel__slot, 64 * sizeof *it->keel__slot);
    return it->keel__slot;
}

/* Empties the slot that step returned last, NULL if that was removed already, and returns it. */
static inline KEEL__T_SLOT *KEEL__T(remove_step)(KEEL__TABLE *table, KEEL__TABLE_ITER *it)
{
    KEEL__T_SLOT *slot = it->keel__slot;

    KEEL__UNCHANGED(it->keel__changes, table->keel__changes, KEEL__STRING(KEEL__TABLE));
    it->keel__slot = NULL;
    if (slot != NULL) {
        KEEL__T(vacate)(table, slot);
        it->keel__changes = table->keel__changes;
    }
    return slot;
}

/* ---- Copying ---- */

#if defined(KEEL__TABLE_KEY_COPY) || !defined(KEEL__TABLE_KEY_FREE)
#if defined(KEEL__TABLE_VALUE_COPY) || !defined(KEEL__TABLE_VALUE_FREE)

static inline keel_err *KEEL__T(copy_slot)(KEEL__T_SLOT *to, const KEEL__T_SLOT *from)
{
    *to = *from;
#if defined(KEEL__TABLE_STR)
    if (KEEL__TABLE_STR &&
        !keel__table_str_copy(&to->key, keel__table_str_view(&from->key), from->key.hash))
        return KEEL_ERR_NOMEM;
#elif defined(KEEL__TABLE_KEY_COPY)
    keel_err *key_err = KEEL__TABLE_KEY_COPY(&to->key, &from->key);
    if (key_err != NULL)
        return key_err;
#endif
#ifdef KEEL__TABLE_VALUE_COPY
    keel_err *err = KEEL__TABLE_VALUE_COPY(&to->value, &from->value);
    if (err != NULL)
        KEEL__T(free_key)(to);
    return err;
#else
    return NULL;
#endif
}

/* The same slots in the same places. What is in *out and not yet copied is not in its control bytes. */
static inline keel_err *KEEL__T(copy)(KEEL__TABLE *out, const KEEL__TABLE *from)
{
    const size_t cap = KEEL__T(cap)(from);
    keel_err *err = NULL;

    memset(out, 0, sizeof *out);
    if (from->len == 0)
        return NULL;
    if (!KEEL__T(widen)(out, cap))
        return KEEL_ERR_NOMEM;
    for (size_t at = 0; err == NULL && at < cap; at += 16) {
        for (unsigned bits = keel__group_used(from->keel__control + at); err == NULL && bits != 0;
             bits &= bits - 1) {
            const size_t index = at + keel__group_first(bits);
            err = KEEL__T(copy_slot)(&out->keel__slots[index], &from->keel__slots[index]);
            out->keel__control[index] = err == NULL ? from->keel__control[index] : 0;
        }
    }
    if (err != NULL) {
        KEEL__T(empty)(out);
        keel_mem_free(out->keel__slots);
        memset(out, 0, sizeof *out);
        return err;
    }
    memcpy(KEEL__T(overflow)(out, 0), KEEL__T(overflow)(from, 0), cap / 16);
    out->keel__limit = from->keel__limit;
    out->keel__spills = from->keel__spills;
    out->len = from->len;
    return NULL;
}

#endif
#endif

#undef KEEL__T
#undef KEEL__T_SLOT
#endif
