/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_RETRY_H
#define KEEL_SRC_FLOW_RETRY_H

/* What a policy needs of retrying beyond its public face. */

#include <keel/retry.h>

/* One call has been made for the first time. */
void keel__retry_budget_deposit(keel_retry_budget *budget);

/* Takes a retry out, if there is one. */
bool keel__retry_budget_withdraw(keel_retry_budget *budget);

#endif /* KEEL_SRC_FLOW_RETRY_H */
