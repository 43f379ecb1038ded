/* SPDX-License-Identifier: MIT */
#include <keel/rand.h>

#include <fcntl.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/sim_hook.h"

#if defined(__linux__)
#include <sys/random.h>
#endif

/* ---- The generator ---- */

/* One step of splitmix64. */
static uint64_t split(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void keel_rand_seed(keel_rand *rand, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rand->state[i] = split(&seed);
}

uint64_t keel_rand_u64(keel_rand *rand)
{
    uint64_t *s = rand->state;

    /* from all zero the generator would never leave */
    if ((s[0] | s[1] | s[2] | s[3]) == 0)
        keel_rand_seed(rand, 0);

    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The upper half of a * b; the lower is in *low. The same everywhere, so that a seed gives the same
 * numbers everywhere. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *low)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32); /* fits: (2^32-1)^2 + 2^32-1 < 2^64 */
    uint64_t carry = a0 * b1 + (uint32_t)middle;

    *low = a * b;
    return a1 * b1 + (middle >> 32) + (carry >> 32);
}

/* Lemire's method: of 2^64 * [0, 1) times `limit`, take the whole part; the few products whose
 * remainder is below 2^64 % limit are the ones that would make some results likelier. */
uint64_t keel_rand_below(keel_rand *rand, uint64_t limit)
{
    uint64_t low;

    if (limit == 0)
        return 0;
    uint64_t result = multiply(keel_rand_u64(rand), limit, &low);
    if (low < limit) {
        uint64_t unfair = -limit % limit;
        while (low < unfair)
            result = multiply(keel_rand_u64(rand), limit, &low);
    }
    return result;
}

int64_t keel_rand_between(keel_rand *rand, int64_t min, int64_t max)
{
    if (max <= min)
        return min;
    uint64_t count = (uint64_t)max - (uint64_t)min + 1;
    uint64_t offset = count != 0 ? keel_rand_below(rand, count) : keel_rand_u64(rand);
    return (int64_t)((uint64_t)min + offset);
}

double keel_rand_double(keel_rand *rand)
{
    return (double)(keel_rand_u64(rand) >> 11) * 0x1p-53;
}

/* ---- Seeds ---- */

static bool from_system(uint64_t *seed)
{
#if defined(__linux__)
    /* Right after boot there may be none yet: not worth waiting for, this is not for secrets. */
    if (getrandom(seed, sizeof *seed, GRND_NONBLOCK) == (ssize_t)sizeof *seed)
        return true;
#endif
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool done = read(file, seed, sizeof *seed) == (ssize_t)sizeof *seed;
    close(file);
    return done;
}

/* The time alone would be the same for two threads, and the process for two calls. */
static uint64_t from_surroundings(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t mix = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    mix = split(&mix) ^ (uint64_t)getpid();
    mix = split(&mix) ^ (uint64_t)(uintptr_t)&now;
    return split(&mix);
}

uint64_t keel_rand_system_seed(void)
{
#ifdef KEEL_SIM_CORE
    return keel__core_seed();
#endif
    uint64_t simulated;
    if (keel__sim() != NULL && keel__sim()->random(&simulated))
        return simulated;

    uint64_t seed;

    return from_system(&seed) ? seed : from_surroundings();
}
