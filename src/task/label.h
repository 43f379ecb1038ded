/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_LABEL_H
#define KEEL_SRC_TASK_LABEL_H

/* A label of a task, in one block with its texts. */
typedef struct keel__label {
    struct keel__label *next;
    const char *key, *value;
} keel__label;

/* Frees those of a task that is in no list any more. */
void keel__labels_free(keel__label *labels);

#endif /* KEEL_SRC_TASK_LABEL_H */
