/* SPDX-License-Identifier: MIT */
#include "task/ops.h"

#include <stddef.h>

#include "base/sim_hook.h"

/* How an operation is called by itself; and before its object, with what kind of thing that is. */
static const struct {
    const char *name, *verb, *kind;
} ops[KEEL__OP_COUNT] = {
    [KEEL__OP_NONE] = { .name = "(time passes)" },
    [KEEL__OP_CHAN_SEND] = { "send", "send to", "channel" },
    [KEEL__OP_CHAN_RECV] = { "receive", "receive from", "channel" },
    [KEEL__OP_CHAN_CLOSE] = { "close", "close", "channel" },
    [KEEL__OP_SELECT] = { .name = "select" },
    [KEEL__OP_MUTEX_LOCK] = { "lock", "lock", "mutex" },
    [KEEL__OP_MUTEX_UNLOCK] = { "unlock", "unlock", "mutex" },
    [KEEL__OP_WAITGROUP_ADD] = { "waitgroup add", "add to", "waitgroup" },
    [KEEL__OP_WAITGROUP_DONE] = { "waitgroup done", "done in", "waitgroup" },
    [KEEL__OP_WAITGROUP_WAIT] = { "waitgroup wait", "wait for", "waitgroup" },
    [KEEL__OP_SEMAPHORE_ACQUIRE] = { "acquire", "acquire", "semaphore" },
    [KEEL__OP_SEMAPHORE_RELEASE] = { "release", "release", "semaphore" },
    [KEEL__OP_ONCE] = { "once", "call", "once" },
    [KEEL__OP_RWMUTEX_LOCK] = { "write lock", "write-lock", "rwmutex" },
    [KEEL__OP_RWMUTEX_UNLOCK] = { "write unlock", "write-unlock", "rwmutex" },
    [KEEL__OP_RWMUTEX_RLOCK] = { "read lock", "read-lock", "rwmutex" },
    [KEEL__OP_RWMUTEX_RUNLOCK] = { "read unlock", "read-unlock", "rwmutex" },
    [KEEL__OP_COND_WAIT] = { "cond wait", "wait on", "cond" },
    [KEEL__OP_COND_SIGNAL] = { "signal", "signal", "cond" },
    [KEEL__OP_COND_BROADCAST] = { "broadcast", "broadcast on", "cond" },
    [KEEL__OP_CTX_NEW] = { "new context", "make", "context" },
    [KEEL__OP_CTX_ERR] = { "context ended?", "ended?", "context" },
    [KEEL__OP_CTX_CANCEL] = { "cancel", "cancel", "context" },
    [KEEL__OP_AFTER] = { .name = "after" },
    [KEEL__OP_AFTER_STOP] = { .name = "stop after" },
    [KEEL__OP_GROUP_GO] = { "go", "go in", "group" },
    [KEEL__OP_GROUP_WAIT] = { "wait for group", "wait for", "group" },
    [KEEL__OP_SLEEP] = { .name = "sleep" },
    [KEEL__OP_YIELD] = { .name = "yield" },
    [KEEL__OP_OFFLOAD] = { .name = "offload" },
    [KEEL__OP_NET_LISTEN] = { "listen", "listen on", "host" },
    [KEEL__OP_NET_CONNECT] = { "connect", "connect from", "host" },
    [KEEL__OP_NET_ACCEPT] = { "accept", "accept at", "listener" },
    [KEEL__OP_NET_READ] = { "net read", "read from", "connection" },
    [KEEL__OP_NET_WRITE] = { "net write", "write to", "connection" },
    [KEEL__OP_NET_CLOSE] = { "net close", "close", "connection" },
    [KEEL__OP_NET_LINK] = { .name = "set link" },
    [KEEL__OP_NET_CUT] = { .name = "partition" },
    [KEEL__OP_NET_HEAL] = { .name = "heal" },
    [KEEL__OP_HOST_GO] = { "go on host", "go on", "host" },
    [KEEL__OP_HOST_KILL] = { "kill host", "kill", "host" },
    [KEEL__OP_HOST_RESTART] = { "restart host", "restart", "host" },
    [KEEL__OP_HOST_WAIT] = { "wait for host", "wait for", "host" },
    [KEEL__OP_READ] = { .name = "read" },
    [KEEL__OP_WRITE] = { .name = "write" },
    [KEEL__OP_SETTLE] = { .name = "settle" },
    [KEEL__OP_NOTE] = { .name = "note" },
    [KEEL__OP_PARK] = { .name = "(waits)" },
    [KEEL__OP_END] = { .name = "(ends)" },
};

const char *keel__op_name(unsigned op)
{
    return op < KEEL__OP_COUNT && ops[op].name != NULL ? ops[op].name : "?";
}

const char *keel__op_verb(unsigned op)
{
    return op < KEEL__OP_COUNT ? ops[op].verb : NULL;
}

const char *keel__op_kind(unsigned op)
{
    return op < KEEL__OP_COUNT ? ops[op].kind : NULL;
}
