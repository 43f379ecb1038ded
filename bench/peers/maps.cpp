/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "inputs.h"

#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

/* Maps of C++ and C: those whose headers are there. None copies its string keys. */

#if __has_include(<absl/container/flat_hash_map.h>)
#include <absl/container/flat_hash_map.h>
#define HAVE_ABSL 1
#endif
#if __has_include(<boost/unordered/unordered_flat_map.hpp>) /* Boost 1.81 */
#include <boost/unordered/unordered_flat_map.hpp>
#define HAVE_BOOST 1
#endif
#if __has_include(<htslib/khash.h>)
#include <htslib/khash.h>
#define HAVE_KHASH 1
#elif __has_include(<khash.h>)
#include <khash.h>
#define HAVE_KHASH 1
#endif
#if __has_include(<uthash.h>)
#include <uthash.h>
#define HAVE_UTHASH 1
#endif

namespace
{

/* ---- Keys ---- */

struct Numbers {
    using Key = uint64_t;
    using List = const uint64_t *;

    List insert, hit, miss, doomed;

    explicit Numbers(const bench_keys *k)
        : insert(k->insert), hit(k->hit), miss(k->miss), doomed(k->doomed)
    {
    }
    static Key key(List list, size_t i)
    {
        return list[i];
    }
};

struct Texts {
    using List = const bench_text *;

    List insert, hit, miss, doomed;

    explicit Texts(const bench_keys *k)
        : insert(k->insert_text), hit(k->hit_text), miss(k->miss_text), doomed(k->doomed_text)
    {
    }
};

struct Views : Texts {
    using Key = std::string_view;

    using Texts::Texts;
    static Key key(List list, size_t i)
    {
        return Key(list[i], 16);
    }
};

struct Pointers : Texts {
    using Key = const char *;

    using Texts::Texts;
    static Key key(List list, size_t i)
    {
        return list[i];
    }
};

/* ---- Workloads ---- */

/* Maps that several workloads ask are built once: the two latest, those of the warm-up and of the runs. */
struct {
    std::shared_ptr<void> map;
    const char *type;
    size_t n;
} kept[2];
int latest;

/* Map has: insert(key, value), find(key), which returns a pointer to the value or none, sum(), erase(key)
 * and size(). */
template <class Map, class Keys> struct Subject {
    static inline const char type = 0; /* its address tells the maps apart */

    static std::shared_ptr<Map> build(size_t n)
    {
        const Keys keys(bench_keys_of(n));
        auto map = std::make_shared<Map>();

        for (size_t i = 0; i < n; i++)
            map->insert(Keys::key(keys.insert, i), i);
        BENCH_CHECK(map->size() == n);
        return map;
    }

    static Map &built(size_t n)
    {
        for (auto &k : kept)
            if (k.type == &type && k.n == n)
                return *static_cast<Map *>(k.map.get());
        latest = 1 - latest;
        kept[latest] = {};
        kept[latest] = { build(n), &type, n };
        return *static_cast<Map *>(kept[latest].map.get());
    }

    static void insert(bench *b)
    {
        const Keys keys(bench_keys_of(b->n));
        auto map = std::make_unique<Map>();

        bench_start(b);
        for (size_t i = 0; i < b->n; i++)
            map->insert(Keys::key(keys.insert, i), i);
        bench_stop(b);
        BENCH_CHECK(map->size() == b->n);
    }

    static void hit(bench *b)
    {
        const Keys keys(bench_keys_of(b->n));
        Map &map = built(b->n);
        uint64_t sum = 0;

        bench_start(b);
        for (size_t i = 0; i < b->n; i++)
            sum += *map.find(Keys::key(keys.hit, i));
        bench_stop(b);
        BENCH_CHECK(sum == bench_sum(b->n));
    }

    static void miss(bench *b)
    {
        const Keys keys(bench_keys_of(b->n));
        Map &map = built(b->n);
        size_t found = 0;

        bench_start(b);
        for (size_t i = 0; i < b->n; i++)
            found += map.find(Keys::key(keys.miss, i)) != nullptr;
        bench_stop(b);
        BENCH_CHECK(found == 0);
    }

    static void iterate(bench *b)
    {
        Map &map = built(b->n);
        uint64_t sum;

        bench_start(b);
        sum = map.sum();
        bench_stop(b);
        BENCH_CHECK(sum == bench_sum(b->n));
    }

    static void erase(bench *b)
    {
        const Keys keys(bench_keys_of(b->n));
        auto map = build(b->n);

        bench_start(b);
        for (size_t i = 0; i < b->n; i++)
            map->erase(Keys::key(keys.doomed, i));
        bench_stop(b);
        BENCH_CHECK(map->size() == 0);
    }

    static void bytes(bench *b)
    {
        (void)bench_keys_of(b->n);
        size_t before = bench_heap_bytes();
        auto map = build(b->n);

        b->value = (double)(bench_heap_bytes() - before) / (double)b->n;
        BENCH_CHECK(b->value > 0);
    }
};

/* ---- Maps like the standard's ---- */

template <class Inner, class Key> struct Standard {
    Inner map;

    void insert(Key key, uint64_t value)
    {
        map.emplace(key, value);
    }
    const uint64_t *find(Key key)
    {
        auto at = map.find(key);
        return at == map.end() ? nullptr : &at->second;
    }
    uint64_t sum()
    {
        uint64_t sum = 0;

        for (auto &entry : map)
            sum += entry.second;
        return sum;
    }
    void erase(Key key)
    {
        map.erase(key);
    }
    size_t size()
    {
        return map.size();
    }
};

template <template <class...> class Inner, class Keys>
using Like = Subject<Standard<Inner<typename Keys::Key, uint64_t>, typename Keys::Key>, Keys>;

template <class Key, class Value> using StdMap = std::unordered_map<Key, Value>;
using StdNumbers = Like<StdMap, Numbers>;
using StdTexts = Like<StdMap, Views>;
#ifdef HAVE_ABSL
template <class Key, class Value> using AbslMap = absl::flat_hash_map<Key, Value>;
using AbslNumbers = Like<AbslMap, Numbers>;
using AbslTexts = Like<AbslMap, Views>;
#endif
#ifdef HAVE_BOOST
template <class Key, class Value> using BoostMap = boost::unordered_flat_map<Key, Value>;
using BoostNumbers = Like<BoostMap, Numbers>;
using BoostTexts = Like<BoostMap, Views>;
#endif

/* ---- khash ---- */

#ifdef HAVE_KHASH
KHASH_MAP_INIT_INT64(u64, uint64_t)
KHASH_MAP_INIT_STR(str, uint64_t)

#define KHASH_MAP(Name, kind, Key)                                                                 \
    struct Name {                                                                                  \
        khash_t(kind) *map = kh_init(kind);                                                        \
        ~Name()                                                                                    \
        {                                                                                          \
            kh_destroy(kind, map);                                                                 \
        }                                                                                          \
        void insert(Key key, uint64_t value)                                                       \
        {                                                                                          \
            int added;                                                                             \
            khint_t i = kh_put(kind, map, key, &added);                                            \
            kh_value(map, i) = value;                                                              \
        }                                                                                          \
        const uint64_t *find(Key key)                                                              \
        {                                                                                          \
            khint_t i = kh_get(kind, map, key);                                                    \
            return i == kh_end(map) ? nullptr : &kh_value(map, i);                                 \
        }                                                                                          \
        uint64_t sum()                                                                             \
        {                                                                                          \
            uint64_t sum = 0;                                                                      \
                                                                                                   \
            for (khint_t i = 0; i != kh_end(map); i++)                                             \
                if (kh_exist(map, i))                                                              \
                    sum += kh_value(map, i);                                                       \
            return sum;                                                                            \
        }                                                                                          \
        void erase(Key key)                                                                        \
        {                                                                                          \
            kh_del(kind, map, kh_get(kind, map, key));                                             \
        }                                                                                          \
        size_t size()                                                                              \
        {                                                                                          \
            return kh_size(map);                                                                   \
        }                                                                                          \
    };
KHASH_MAP(KhashU64, u64, uint64_t)
KHASH_MAP(KhashStr, str, const char *)
using KhashNumbers = Subject<KhashU64, Numbers>;
using KhashTexts = Subject<KhashStr, Pointers>;
#endif

/* ---- uthash: intrusive, each entry from malloc, as its manual does ---- */

#ifdef HAVE_UTHASH
const void *bytes_of(const uint64_t &key)
{
    return &key;
}
const void *bytes_of(const char *key)
{
    return key;
}
size_t length_of(const uint64_t &)
{
    return 8;
}
size_t length_of(const char *key)
{
    return strlen(key);
}

template <class Key> struct Uthash {
    struct Entry {
        Key key;
        uint64_t value;
        UT_hash_handle hh;
    };
    Entry *head = nullptr;

    ~Uthash()
    {
        Entry *entry, *next;

        HASH_ITER(hh, head, entry, next)
        {
            HASH_DEL(head, entry);
            free(entry);
        }
    }
    void insert(Key key, uint64_t value)
    {
        Entry *entry = static_cast<Entry *>(malloc(sizeof(Entry)));

        BENCH_CHECK(entry != nullptr);
        entry->key = key;
        entry->value = value;
        HASH_ADD_KEYPTR(hh, head, bytes_of(entry->key), length_of(entry->key), entry);
    }
    Entry *entry_of(Key key)
    {
        Entry *entry;

        HASH_FIND(hh, head, bytes_of(key), length_of(key), entry);
        return entry;
    }
    const uint64_t *find(Key key)
    {
        Entry *entry = entry_of(key);
        return entry != nullptr ? &entry->value : nullptr;
    }
    uint64_t sum()
    {
        uint64_t sum = 0;

        for (Entry *entry = head; entry != nullptr; entry = static_cast<Entry *>(entry->hh.next))
            sum += entry->value;
        return sum;
    }
    void erase(Key key)
    {
        Entry *entry = entry_of(key);

        HASH_DEL(head, entry);
        free(entry);
    }
    size_t size()
    {
        return HASH_COUNT(head);
    }
};
using UthashNumbers = Subject<Uthash<uint64_t>, Numbers>;
using UthashTexts = Subject<Uthash<const char *>, Pointers>;
#endif

/* ---- The table ---- */

#define ROW(name, peer, run, n)                                                                    \
    {                                                                                              \
        "map", name, peer, run, n, BENCH_ANY, NULL, false                                          \
    }
#define ROWS(kind, peer, S, n)                                                                     \
    ROW("hash_" kind "_insert", peer, S::insert, n), ROW("hash_" kind "_hit", peer, S::hit, n),    \
        ROW("hash_" kind "_miss", peer, S::miss, n),                                               \
        ROW("hash_" kind "_iterate", peer, S::iterate, n),                                         \
        ROW("hash_" kind "_delete", peer, S::erase, n),                                            \
    {                                                                                              \
        "map", "hash_" kind "_bytes", peer, S::bytes, n, BENCH_ANY, "B/elem", false                \
    }
#define ALL_ROWS(peer, OfNumbers, OfTexts)                                                         \
    ROWS("u64", peer, OfNumbers, 1000000), ROWS("u64_900k", peer, OfNumbers, 900000),              \
        ROWS("str16", peer, OfTexts, 1000000), ROWS("str16_900k", peer, OfTexts, 900000)

const bench_workload workloads[] = {
    ALL_ROWS("std::unordered_map", StdNumbers, StdTexts),
#ifdef HAVE_ABSL
    ALL_ROWS("absl::flat_hash_map", AbslNumbers, AbslTexts),
#endif
#ifdef HAVE_BOOST
    ALL_ROWS("boost::unordered_flat_map", BoostNumbers, BoostTexts),
#endif
#ifdef HAVE_KHASH
    ALL_ROWS("khash", KhashNumbers, KhashTexts),
#endif
#ifdef HAVE_UTHASH
    ALL_ROWS("uthash", UthashNumbers, UthashTexts),
#endif
};

} // namespace

int main(int argc, char **argv)
{
    const bench_program program = { workloads, sizeof workloads / sizeof workloads[0], NULL,
                                    false };

    return bench_main(argc, argv, &program);
}
