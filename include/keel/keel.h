/* SPDX-License-Identifier: MIT */
#ifndef KEEL_KEEL_H
#define KEEL_KEEL_H

/** All of keel. */

#include <keel/any.h>
#include <keel/arena.h>
#include <keel/breaker.h>
#include <keel/buf.h>
#include <keel/bufpool.h>
#include <keel/chan.h>
#include <keel/clock.h>
#include <keel/containers.h>
#include <keel/ctx.h>
#include <keel/defs.h>
#include <keel/dump.h>
#include <keel/duration.h>
#include <keel/err.h>
#include <keel/fn.h>
#include <keel/group.h>
#include <keel/hash.h>
#include <keel/io.h>
#include <keel/limiter.h>
#include <keel/mem.h>
#include <keel/pipeline.h>
#include <keel/policy.h>
#include <keel/pool.h>
#include <keel/rand.h>
#include <keel/retry.h>
#include <keel/runtime.h>
#include <keel/secret.h>
#include <keel/select.h>
#include <keel/sim.h>
#include <keel/sim_net.h>
#include <keel/singleflight.h>
#include <keel/str.h>
#include <keel/stream.h>
#include <keel/sync.h>
#include <keel/task.h>
#include <keel/template.h>

#endif /* KEEL_KEEL_H */
