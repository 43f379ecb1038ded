/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_LABEL_H
#define KEEL_SRC_TASK_LABEL_H

#include <stddef.h>

/* A label of a task, in one block with its texts. */
typedef struct keel__label {
    struct keel__label *next;
    const char *key, *value;
} keel__label;

/* Copies the texts, key and value in turn and each cut to `most` bytes, into `size` bytes: those labels that fit, and
 * an empty text. Returns how many bytes that took. Under the lock of the task's home. */
size_t keel__labels_copy(const keel__label *labels, char *to, size_t size, size_t most);

/* Frees those of a task that is in no list any more. */
void keel__labels_free(keel__label *labels);

#endif /* KEEL_SRC_TASK_LABEL_H */
