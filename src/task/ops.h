/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_OPS_H
#define KEEL_SRC_TASK_OPS_H

/* What reports and dumps call operations (KEEL__OP_...). */

/* The operation alone: "lock". */
const char *keel__op_name(unsigned op);

/* Before its object: "lock", of "lock mutex 2"; NULL if it is told without one. */
const char *keel__op_verb(unsigned op);

/* The kind of what an operation is about: "mutex"; NULL if that has no number. */
const char *keel__op_kind(unsigned op);

#endif /* KEEL_SRC_TASK_OPS_H */
