/* SPDX-License-Identifier: MIT */
#include <keel/select.h>

typedef struct keel_check_item {
    int a, b;
} keel_check_item;

int keel_check_cases(keel_ctx *ctx, keel_chan *chan, keel_check_item *item);
int keel_check_cases(keel_ctx *ctx, keel_chan *chan, keel_check_item *item)
{
    bool ok = false;
    keel_case cases[] = {
        KEEL_RECV(chan, item), KEEL_RECV_OK(chan, item, &ok),
        KEEL_SEND(chan, item), KEEL_SEND_OK(chan, item, &ok),
        KEEL_AFTER(1000),      KEEL_DEFAULT,
    };

    switch (keel_select_cases(ctx, cases, sizeof cases / sizeof cases[0], ok)) {
    case KEEL_SELECT_CTX:
    case KEEL_SELECT_CLOSED:
        return 0;
    default:
        return 1;
    }
}

#ifndef __cplusplus /* compound literals */
int keel_check_select(keel_ctx *ctx, keel_chan *chan, keel_check_item *item);
int keel_check_select(keel_ctx *ctx, keel_chan *chan, keel_check_item *item)
{
    int first = keel_select(ctx, KEEL_RECV(chan, item));

    return first + keel_select_ordered(ctx, KEEL_SEND(chan, item), KEEL_AFTER(1000), KEEL_DEFAULT);
}
#endif
