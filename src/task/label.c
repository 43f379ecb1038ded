/* SPDX-License-Identifier: MIT */
#include "task/label.h"

#include <stdint.h>
#include <string.h>

#include <keel/dump.h>
#include <keel/mem.h>

#include "base/process.h"
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
    return label;
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
    keel_mem_free(old);
    return NULL;
}

void keel__labels_free(keel__label *labels)
{
    while (labels != NULL) {
        keel__label *next = labels->next;

        keel_mem_free(labels);
        labels = next;
    }
}
