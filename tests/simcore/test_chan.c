/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/biased.h"

/* The lock that leans to one thread, channels under it, and select. On the simulated machine a thread is its owner after
 * it has taken it twice in a row. */

typedef struct room {
    keel__biased lock;
    int inside, visits, half; /* half: odd while somebody changes what the lock guards */
    bool was_owned;
} room;

/* Enters and leaves; two in there at once, or one that finds another's work half done, fail. */
static void visit(room *r)
{
    bool as_owner = keel__biased_lock(&r->lock);

    r->was_owned |= as_owner;
    sim_check(r->inside++ == 0 && r->half % 2 == 0);
    r->half++;
    keel__step("in the room");
    r->half++;
    r->visits++;
    sim_check(--r->inside == 0);
    keel__biased_unlock(&r->lock, as_owner);
}

static void visit_once(void *arg)
{
    visit(arg);
}

static void visit_twice(void *arg)
{
    visit(arg);
    visit(arg);
}

static void become_owner(room *r)
{
    keel__machine_quiet(true);
    visit(r);
    visit(r);
    keel__machine_quiet(false);
    sim_check(r->was_owned);
}

static void another_comes_while_the_owner_is_in(void)
{
    room r = { 0 };

    become_owner(&r);
    simcore_thread *other = simcore_go(visit_once, &r);
    visit(&r);
    visit(&r);
    simcore_join(other);
    sim_check(r.visits == 5);
}

static void two_others_come_while_the_owner_is_in(void)
{
    room r = { 0 };

    become_owner(&r);
    simcore_thread *first = simcore_go(visit_once, &r), *second = simcore_go(visit_once, &r);
    visit(&r);
    simcore_join(first);
    simcore_join(second);
    sim_check(r.visits == 5);
}

/* One becomes the owner just as the other comes. */
static void ownership_is_earned_while_another_comes(void)
{
    room r = { 0 };

    simcore_thread *other = simcore_go(visit_twice, &r);
    visit(&r);
    visit(&r);
    visit(&r);
    simcore_join(other);
    sim_check(r.visits == 5);
}

/* Who takes turns with another earns nothing. */
static void turns_make_no_owner(void)
{
    room r = { 0 };

    for (int i = 0; i < 2; i++) {
        visit(&r);
        simcore_join(simcore_go(visit_once, &r));
    }
    sim_check(!r.was_owned && r.visits == 4);
}

/* Who comes after the owner's time is over becomes none. */
static void the_bias_does_not_come_back(void)
{
    room r = { 0 };

    become_owner(&r);
    simcore_thread *other = simcore_go(visit_twice, &r);
    simcore_join(other);
    r.was_owned = false;
    visit(&r);
    visit(&r);
    visit(&r);
    sim_check(!r.was_owned);
}

/* ---- Channels ---- */

enum { ITEMS = 3 };

static keel_chan *new_chan(size_t capacity)
{
    keel_chan *chan;

    sim_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = capacity }));
    return chan;
}

/* Makes the calling thread the owner of the channel's lock. */
static keel_chan *own_chan(size_t capacity)
{
    keel_chan *chan = new_chan(capacity);

    keel__machine_quiet(true);
    for (int i = 0; i < ITEMS; i++)
        sim_check(keel_chan_len(chan) == 0);
    keel__machine_quiet(false);
    return chan;
}

static void receive_in_order(void *chan)
{
    int got = 0;

    for (int i = 1; i <= ITEMS; i++) {
        sim_ok(keel_chan_recv(NULL, chan, &got));
        sim_check(got == i);
    }
}

/* Its owner sends while another takes the first item away. */
static void items_pass_as_the_bias_ends(void)
{
    keel_chan *chan = own_chan(ITEMS);
    simcore_thread *receiver = simcore_go(receive_in_order, chan);

    for (int i = 1; i <= ITEMS; i++)
        sim_ok(keel_chan_send(NULL, chan, &i));
    simcore_join(receiver);
    sim_check(keel_chan_len(chan) == 0);
    keel_chan_free(chan);
}

/* Its owner waits in it, by a way that needs no atomic instruction, and another comes. */
static void the_owner_waits_for_another(void)
{
    keel_chan *chan = own_chan(1);
    simcore_thread *receiver = simcore_go(receive_in_order, chan);

    for (int i = 1; i <= ITEMS; i++)
        sim_ok(keel_chan_send(NULL, chan, &i));
    keel_chan_close(chan);
    simcore_join(receiver);
    keel_chan_free(chan);
}

static void close_it(void *chan)
{
    keel_chan_close(chan);
}

/* A sender that parked as the owner is told of the close, and its item is not delivered. */
static void a_close_meets_the_owner(void)
{
    keel_chan *chan = own_chan(0);
    int got = 0;

    simcore_thread *closer = simcore_go(close_it, chan);
    sim_err(keel_chan_send(NULL, chan, &(int){ 1 }), KEEL_ERR_CLOSED);
    sim_err(keel_chan_recv(NULL, chan, &got), KEEL_ERR_CLOSED);
    simcore_join(closer);
    keel_chan_free(chan);
}

static void cancel(void *ctx)
{
    keel_ctx_cancel(ctx);
}

static void receive_or_not(void *chan)
{
    int got = 0;
    keel_chan_status status = keel_chan_try_recv(chan, &got);

    sim_check(status == (got == 1 ? KEEL_CHAN_DONE : KEEL_CHAN_WOULD_BLOCK));
    if (got == 1)
        keel_chan_close(chan); /* as a sign that it was received */
}

/* A sender that parked as the owner is cancelled while another takes its item: one of the two happens. */
static void a_cancel_meets_the_owner(void)
{
    keel_chan *chan = own_chan(0);
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);

    simcore_thread *canceller = simcore_go(cancel, ctx);
    simcore_thread *receiver = simcore_go(receive_or_not, chan);
    keel_err *err = keel_chan_send(ctx, chan, &(int){ 1 });
    simcore_join(canceller);
    simcore_join(receiver);
    bool received = keel_chan_try_send(chan, &(int){ 2 }) == KEEL_CHAN_CLOSED;
    sim_check(received == (err == NULL));
    if (err != NULL)
        sim_err(err, KEEL_ERR_CANCELLED);
    keel_ctx_free(ctx);
    keel_chan_free(chan);
}

/* Three workers and the owner at one channel. */
static keel_err *pass_one_on(keel_ctx *ctx, void *chan)
{
    int got = 0;

    KEEL_TRY(keel_chan_recv(ctx, chan, &got));
    sim_check(got == 1);
    return NULL;
}

static void three_workers_take_from_the_owner(void)
{
    keel_runtime *rt = simcore_runtime(3, NULL);
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_chan *chan = own_chan(1);

    for (int i = 0; i < 2; i++)
        keel_group_go(group, pass_one_on, chan);
    for (int i = 0; i < 2; i++)
        sim_ok(keel_chan_send(NULL, chan, &(int){ 1 }));
    sim_ok(keel_group_wait(group));
    sim_check(keel_chan_len(chan) == 0);
    simcore_stop(rt);
    keel_chan_free(chan);
}

/* ---- Select ---- */

typedef struct market {
    keel_chan *a, *b;
    int first, second; /* what each of two selects did */
    int received;
} market;

static market open_market(size_t capacity)
{
    return (market){ .a = new_chan(capacity), .b = new_chan(capacity) };
}

static void close_market(market *m)
{
    sim_check(keel_chan_len(m->a) == 0 && keel_chan_len(m->b) == 0);
    keel_chan_free(m->a); /* where nobody waits any more */
    keel_chan_free(m->b);
}

static void take_a_or_give_b(void *arg)
{
    market *m = arg;
    int got = 0;

    m->first = keel_select(NULL, KEEL_RECV(m->a, &got), KEEL_SEND(m->b, &(int){ 2 }));
    sim_check(m->first == 1 || got == 1);
}

/* Each could do either of its cases with the other, and each may be on its way through them when the other comes:
 * they trade once, and both return. */
static void crossing_selects_trade_once(void)
{
    market m = open_market(0);
    int got = 0;
    simcore_thread *other = simcore_go(take_a_or_give_b, &m);

    m.second = keel_select(NULL, KEEL_RECV(m.b, &got), KEEL_SEND(m.a, &(int){ 1 }));
    sim_check(m.second == 1 || got == 2);
    simcore_join(other);
    sim_check(m.first + m.second == 1);
    close_market(&m);
}

static void send_to_a(void *arg)
{
    sim_ok(keel_chan_send(NULL, ((market *)arg)->a, &(int){ 1 }));
}

static void send_to_b(void *arg)
{
    sim_ok(keel_chan_send(NULL, ((market *)arg)->b, &(int){ 2 }));
}

/* It would both send and receive, but not with itself. */
static void a_select_on_its_way_does_not_meet_itself(void)
{
    market m = open_market(0);
    int got = 0;
    simcore_thread *other = simcore_go(send_to_a, &m);

    int which = keel_select(NULL, KEEL_RECV(m.a, &got), KEEL_SEND(m.a, &(int){ 7 }));
    sim_check(which == 0 && got == 1);
    simcore_join(other);
    close_market(&m);
}

/* A peer may come to the first channel while it is on its way to the second, where another waits. */
static void a_select_on_its_way_takes_one_at_a_time(void)
{
    market m = open_market(0);
    simcore_thread *first = simcore_go(send_to_a, &m), *second = simcore_go(send_to_b, &m);
    int got = 0, sum = 0;

    for (int i = 0; i < 2; i++) {
        int which = keel_select(NULL, KEEL_RECV(m.a, &got), KEEL_RECV(m.b, &got));
        sim_check(got == which + 1);
        sum += got;
    }
    sim_check(sum == 3);
    simcore_join(first);
    simcore_join(second);
    close_market(&m);
}

/* Cancelled while a peer comes, it has done a case or none, and leaves nothing behind. */
static void a_cancel_meets_a_select_on_its_way(void)
{
    market m = open_market(0);
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    simcore_thread *sender = simcore_go(send_to_b, &m);
    simcore_thread *canceller = simcore_go(cancel, ctx);
    int got = 0;
    int which = keel_select(ctx, KEEL_RECV(m.a, &got), KEEL_RECV(m.b, &got));

    sim_check(which == 1 ? got == 2 : which == KEEL_SELECT_CTX && got == 0);
    if (which == KEEL_SELECT_CTX)
        sim_ok(keel_chan_recv(NULL, m.b, &got));
    simcore_join(sender);
    simcore_join(canceller);
    keel_ctx_free(ctx);
    close_market(&m);
}

static void move_the_item(void *arg)
{
    market *m = arg;
    int got = 0;

    sim_ok(keel_chan_send(NULL, m->b, &(int){ 1 }));
    if (keel_chan_try_recv(m->a, &got) == KEEL_CHAN_DONE)
        m->received++;
}

/* At every moment one of the two holds an item: so the default does not happen. */
static void a_default_looks_at_all_in_one_moment(void)
{
    market m = open_market(1);
    int got = 0;

    sim_ok(keel_chan_send(NULL, m.a, &(int){ 1 }));
    simcore_thread *mover = simcore_go(move_the_item, &m);
    int which = keel_select(NULL, KEEL_RECV(m.b, &got), KEEL_RECV(m.a, &got), KEEL_DEFAULT);
    sim_check(which != 2 && got == 1);
    simcore_join(mover);
    while (keel_chan_try_recv(m.a, &got) == KEEL_CHAN_DONE ||
           keel_chan_try_recv(m.b, &got) == KEEL_CHAN_DONE)
        m.received++;
    sim_check(m.received == 1);
    close_market(&m);
}

static void send_to_both(void *arg)
{
    send_to_a(arg);
    send_to_b(arg);
}

/* Whenever the second is ready, so is the first; the third always is. */
static void an_ordered_select_takes_the_first_that_is_ready(void)
{
    market m = open_market(1);
    keel_chan *third = new_chan(1);
    int got = 0;

    sim_ok(keel_chan_send(NULL, third, &(int){ 3 }));
    simcore_thread *sender = simcore_go(send_to_both, &m);
    int which = keel_select_ordered(NULL, KEEL_RECV(m.a, &got), KEEL_RECV(m.b, &got),
                                    KEEL_RECV(third, &got));
    sim_check(which == 0 ? got == 1 : which == 2 && got == 3);
    simcore_join(sender);
    keel_chan_free(third);
    keel_chan_free(m.a);
    keel_chan_free(m.b);
}

/* The same while it waits. */
static void an_ordered_select_waits_for_the_first(void)
{
    market m = open_market(1);
    int got = 0;
    simcore_thread *sender = simcore_go(send_to_both, &m);

    sim_check(keel_select_ordered(NULL, KEEL_RECV(m.a, &got), KEEL_RECV(m.b, &got)) == 0);
    sim_check(got == 1);
    sim_ok(keel_chan_recv(NULL, m.b, &got));
    simcore_join(sender);
    close_market(&m);
}

simcore_test(another_comes_while_the_owner_is_in) simcore_test(
    two_others_come_while_the_owner_is_in) simcore_test(ownership_is_earned_while_another_comes)
    simcore_test(turns_make_no_owner) simcore_test(the_bias_does_not_come_back)
        simcore_test(items_pass_as_the_bias_ends) simcore_test(the_owner_waits_for_another)
            simcore_test(a_close_meets_the_owner) simcore_test(a_cancel_meets_the_owner)
                simcore_test(three_workers_take_from_the_owner)
                    simcore_test(crossing_selects_trade_once)
                        simcore_test(a_select_on_its_way_does_not_meet_itself)
                            simcore_test(a_select_on_its_way_takes_one_at_a_time)
                                simcore_test(a_cancel_meets_a_select_on_its_way)
                                    simcore_test(a_default_looks_at_all_in_one_moment) simcore_test(
                                        an_ordered_select_takes_the_first_that_is_ready)
                                        simcore_test(an_ordered_select_waits_for_the_first)

                                            int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_comes_while_the_owner_is_in_holds),
        cmocka_unit_test(two_others_come_while_the_owner_is_in_holds),
        cmocka_unit_test(ownership_is_earned_while_another_comes_holds),
        cmocka_unit_test(turns_make_no_owner_holds),
        cmocka_unit_test(the_bias_does_not_come_back_holds),
        cmocka_unit_test(items_pass_as_the_bias_ends_holds),
        cmocka_unit_test(the_owner_waits_for_another_holds),
        cmocka_unit_test(a_close_meets_the_owner_holds),
        cmocka_unit_test(a_cancel_meets_the_owner_holds),
        cmocka_unit_test(three_workers_take_from_the_owner_holds),
        cmocka_unit_test(crossing_selects_trade_once_holds),
        cmocka_unit_test(a_select_on_its_way_does_not_meet_itself_holds),
        cmocka_unit_test(a_select_on_its_way_takes_one_at_a_time_holds),
        cmocka_unit_test(a_cancel_meets_a_select_on_its_way_holds),
        cmocka_unit_test(a_default_looks_at_all_in_one_moment_holds),
        cmocka_unit_test(an_ordered_select_takes_the_first_that_is_ready_holds),
        cmocka_unit_test(an_ordered_select_waits_for_the_first_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
