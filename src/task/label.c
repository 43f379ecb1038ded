/* SPDX-License-Identifier: MIT */
#include "task/label.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <keel/dump.h>
#include <keel/mem.h>

#include "base/process.h"
#include "base/tsan.h"
#include "task/worker.h"

static keel__label *make(const char *key, const char *value)
{
    const size_t key_bytes = strlen(key) + 1, value_bytes = strlen(value) + 1;
    keel__label *label = keel_mem_alloc(sizeof *label + key_bytes + value_bytes);

    if (label == NULL)
        return NULL;
    char *text = (char *)(label + 1);
    *label = (keel__label){ .key = text, .value = text + key_bytes };
    memcpy(text, key, key_bytes);
    memcpy(text + key_bytes, value, value_bytes);
    keel__tsan_release(label);
    return label;
}

/* Who looks at a label does so under a lock that a race detector is not told of: the label itself orders that
 * after its making and before its end. */
static void free_one(keel__label *label)
{
    if (label != NULL)
        keel__tsan_acquire(label);
    keel_mem_free(label);
}

keel_err *keel_task_label(const char *key, const char *value)
{
    keel__task *task = keel__task_self();
    keel__label *label = NULL, *old;

    keel__need(key != NULL, "keel_task_label", "key");
    if (key[0] == '\0')
        return KEEL_ERR_INVAL;
    if (task == NULL)
        return NULL;
    if (value != NULL) {
        label = make(key, value);
        if (label == NULL)
            return KEEL_ERR_NOMEM;
    }
    keel__spin_lock(&task->home->lock);
    keel__label **at = &task->labels;
    while (*at != NULL && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    old = *at;
    if (label != NULL)
        label->next = old != NULL ? old->next : NULL;
    if (label != NULL)
        *at = label;
    else if (old != NULL)
        *at = old->next;
    keel__spin_unlock(&task->home->lock);
    free_one(old);
    return NULL;
}

static size_t copy_text(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    to[len] = '\0';
    return len + 1;
}

size_t keel__labels_copy(const keel__label *labels, char *to, size_t size, size_t most)
{
    size_t done = 0;

    for (const keel__label *label = labels; label != NULL; label = label->next) {
        keel__tsan_acquire(label);
        const size_t key_len = strnlen(label->key, most), value_len = strnlen(label->value, most);
        const bool fits = key_len + value_len + 3 <= size - done;

        if (fits) {
            done += copy_text(to + done, label->key, key_len);
            done += copy_text(to + done, label->value, value_len);
        }
        keel__tsan_release(label);
        if (!fits)
            break;
    }
    to[done] = '\0';
    return done + 1;
}

void keel__labels_free(keel__label *labels)
{
    while (labels != NULL) {
        keel__label *next = labels->next;

        free_one(labels);
        labels = next;
    }
}
