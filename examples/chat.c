/* SPDX-License-Identifier: MIT */
/*
 * A chat room: the first line of a connection is a nickname, each further one is told to everybody.
 *
 * Shows: channels and select over real sockets, contexts, and stopping at SIGTERM or Ctrl-C without losing a
 *        line: what the room has taken reaches all before their connections end.
 * Run:   ./chat 127.0.0.1:7000   and in other terminals: nc 127.0.0.1 7000
 *        ./chat                  plays two guests, and is told to stop while one of them talks
 * Prints: * ann is here
 *         * bob is here
 *         ann: hello
 *         bob: hello, ann
 *         stopped: every line that was taken has arrived
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

enum { LINE_BYTES = 256, NICK_BYTES = 32, WAITING_LINES = 64 };

typedef struct guest guest;

typedef struct line {
    const guest *from;
    char text[LINE_BYTES];
} line;

/* On the stack of the task that reads its connection. */
struct guest {
    char nick[NICK_BYTES];
    keel_stream stream;
    keel_chan *lines; /* on their way to it */
    bool stops;       /* it is here only until all have stopped */
    guest *next;
};

/* What guests tell the room. Nothing is buffered: what was sent has been taken. */
typedef struct room {
    keel_listener listener;
    keel_chan *come, *go; /* of guest * */
    keel_chan *say;       /* of line */
    guest *guests;
    size_t taken;
} room;

/* ---- The room: one task, so it needs no lock ---- */

static void tell_all(room *r, const line *what)
{
    for (guest *g = r->guests; g != NULL; g = g->next) {
        /* who does not read for a second is shown out */
        if (keel_select(NULL, KEEL_SEND(g->lines, what), KEEL_AFTER(KEEL_S(1))) == 1)
            keel_stream_reset(g->stream);
    }
}

static void announce(room *r, const guest *who, const char *what)
{
    line news = { .from = NULL };

    snprintf(news.text, sizeof news.text, "* %s %s", who->nick, what);
    tell_all(r, &news);
}

static void show_out(room *r, guest *who)
{
    guest **at = &r->guests;

    while (*at != who)
        at = &(*at)->next;
    *at = who->next;
    keel_chan_close(who->lines); /* what is in it still arrives; from here on `who` may be gone */
}

/* Those who stop stay until the last has stopped, and hear what the others said before. */
static void close_room(room *r)
{
    for (const guest *g = r->guests; g != NULL; g = g->next)
        if (!g->stops)
            return;
    while (r->guests != NULL)
        show_out(r, r->guests);
}

static keel_err *host(keel_ctx *ctx, void *arg)
{
    room *r = arg;
    guest *who = NULL;
    line said, told;

    for (;;) {
        switch (keel_select(ctx, KEEL_RECV(r->come, &who), KEEL_RECV(r->say, &said),
                            KEEL_RECV(r->go, &who))) {
        case 0:
            who->next = r->guests;
            r->guests = who;
            announce(r, who, "is here");
            break;
        case 1:
            r->taken++;
            snprintf(told.text, sizeof told.text, "%s: %.200s", said.from->nick, said.text);
            tell_all(r, &told);
            break;
        case 2:
            if (who->stops) {
                close_room(r);
            } else {
                announce(r, who, "has gone");
                show_out(r, who);
            }
            break;
        default:
            return NULL; /* nobody is left */
        }
    }
}

/* ---- Guests: a task that reads, and one that writes ---- */

static keel_err *write_lines(keel_ctx *ctx, void *arg)
{
    guest *g = arg;
    keel_err *err = NULL;

    /* after an error too: until the room has shown it out */
    for (line next; keel_chan_next(ctx, g->lines, &next);) {
        const keel_str pieces[] = { keel_str_from(next.text), KEEL_STR("\n") };

        if (err == NULL)
            err = keel_stream_writev(ctx, g->stream, pieces, 2);
    }
    return err;
}

/* Until the guest leaves, or the program is to stop. */
static keel_err *listen_to(keel_ctx *ctx, keel_ctx *lasting, room *r, guest *g, keel_lines *lines)
{
    keel_err *err = keel_chan_send(lasting, r->come, &g);

    for (keel_str text; err == NULL && keel_lines_next(ctx, lines, &text);) {
        line said = { .from = g };

        snprintf(said.text, sizeof said.text, KEEL_STR_FMT, KEEL_STR_ARG(text));
        err = keel_chan_send(lasting, r->say, &said);
    }
    if (err == NULL)
        err = keel_lines_err(lines);
    g->stops = keel_ctx_err(ctx) != NULL;
    return keel_err_join(err, keel_chan_send(lasting, r->go, &g));
}

/* So that nothing that it still has to read is lost by a reset: waits until it has closed, for a second. */
static void say_goodbye(keel_ctx *lasting, keel_stream stream)
{
    keel_ctx *soon = keel_ctx_with_timeout(lasting, KEEL_S(1));
    char dropped[512];
    size_t got;
    keel_err *err = keel_stream_close_write(stream);

    while (err == NULL)
        err = keel_stream_read(soon, stream, dropped, sizeof dropped, &got);
    keel_err_free(err); /* the end, most likely */
    keel_ctx_free(soon);
}

static keel_err *visit(keel_ctx *ctx, keel_stream stream, void *arg)
{
    room *r = arg;
    guest me = { .stream = stream };
    keel_lines lines = { .from = keel_stream_reader(&me.stream), .max_bytes = 200 };
    keel_str nick;

    if (keel_lines_next(ctx, &lines, &nick) && nick.len > 0) {
        keel_ctx *lasting = keel_ctx_without_cancel(ctx);
        keel_group *writer = keel_group_new(lasting, NULL);

        snprintf(me.nick, sizeof me.nick, KEEL_STR_FMT, KEEL_STR_ARG(nick));
        keel_err *err =
            keel_chan_new(&me.lines, sizeof(line), &(keel_chan_opts){ .capacity = WAITING_LINES });
        if (err == NULL) {
            keel_group_go(writer, write_lines, &me);
            err = listen_to(ctx, lasting, r, &me, &lines);
        }
        keel_err_free(err); /* the guest has gone, and knows best why */
        keel_err_free(keel_group_wait(writer));
        say_goodbye(lasting, stream);
        keel_chan_free(me.lines);
        keel_ctx_free(lasting);
    }
    keel_err_free(keel_lines_err(&lines));
    keel_lines_deinit(&lines);
    return NULL;
}

/* ---- Two guests who need nobody to play them ---- */

static keel_err *come_in(keel_ctx *ctx, const char *address, const char *nick, keel_stream *out)
{
    KEEL_TRY(keel_stream_connect(ctx, out, address, NULL));
    return keel_io_printf(ctx, keel_stream_writer(out), "%s\n", nick);
}

static keel_err *hear(keel_ctx *ctx, keel_lines *from, bool print)
{
    keel_str text;

    if (!keel_lines_next(ctx, from, &text))
        return keel_err_join(keel_err_new("the room has closed"), keel_lines_err(from));
    if (print)
        printf(KEEL_STR_FMT "\n", KEEL_STR_ARG(text));
    return NULL;
}

static keel_err *talk(keel_ctx *ctx, void *arg)
{
    for (int i = 1; i <= 1000; i++)
        if (keel_io_printf(ctx, keel_stream_writer(arg), "%d\n", i) != NULL)
            break; /* the room is closing */
    keel_err_free(keel_stream_close_write(*(keel_stream *)arg));
    return NULL;
}

/* Ann talks, bob listens; after a while the program is asked to stop. *heard is what bob got of it. */
static keel_err *play(keel_ctx *ctx, const char *address, size_t *heard)
{
    keel_stream ann = { 0 }, bob = { 0 };
    keel_lines to_ann = { .from = keel_stream_reader(&ann) };
    keel_lines to_bob = { .from = keel_stream_reader(&bob) };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_err *err = come_in(ctx, address, "ann", &ann);
    if (err == NULL)
        err = hear(ctx, &to_ann, true);
    if (err == NULL)
        err = come_in(ctx, address, "bob", &bob);
    if (err == NULL)
        err = hear(ctx, &to_bob, true);
    if (err == NULL)
        err = keel_stream_write(ctx, ann, "hello\n", 6);
    if (err == NULL)
        err = hear(ctx, &to_bob, true);
    if (err == NULL)
        err = keel_stream_write(ctx, bob, "hello, ann\n", 11);
    if (err == NULL)
        err = hear(ctx, &to_bob, true);
    *heard = 2;
    if (err == NULL)
        keel_group_go(group, talk, &ann);
    for (keel_str text; err == NULL && keel_lines_next(ctx, &to_bob, &text);)
        if (strncmp(text.ptr, "ann: ", 5) == 0 && ++*heard == 100)
            raise(SIGTERM);
    keel_stream_close(bob);
    keel_stream_close(ann);
    err = keel_err_join(err, keel_group_wait(group));
    keel_err_free(keel_lines_err(&to_bob));
    keel_lines_deinit(&to_ann);
    keel_lines_deinit(&to_bob);
    return err;
}

/* ---- The program ---- */

static keel_err *open_doors(keel_ctx *ctx, void *arg)
{
    room *r = arg;

    return keel_listener_serve(ctx, r->listener, visit, r, NULL);
}

static keel_err *run_room(keel_ctx *ctx, room *r, bool plays)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_ctx *lasting = keel_ctx_without_cancel(ctx);
    keel_group *hosts = keel_group_new(lasting, NULL), *doors = keel_group_new(ctx, NULL);
    size_t heard = 0;

    keel_group_go(hosts, host, r);
    keel_err *err = keel_listener_address(r->listener, address, sizeof address);
    keel_group_go(doors, open_doors, r);
    if (err == NULL && plays)
        err = play(lasting, address, &heard);
    err =
        keel_err_join(err, keel_group_wait(doors)); /* until a signal; then all guests have gone */
    keel_group_cancel(hosts);
    err = keel_err_join(err, keel_group_wait(hosts));
    if (plays)
        printf("stopped: %s\n",
               heard == r->taken ? "every line that was taken has arrived" : "lines were lost");
    keel_ctx_free(lasting);
    return err;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    const char *address = arg;
    room r = { .taken = 0 };

    keel_err *err = keel_chan_new(&r.come, sizeof(guest *), NULL);
    if (err == NULL)
        err = keel_chan_new(&r.go, sizeof(guest *), NULL);
    if (err == NULL)
        err = keel_chan_new(&r.say, sizeof(line), NULL);
    if (err == NULL)
        err = keel_listener_open(ctx, &r.listener, address != NULL ? address : "127.0.0.1:0", NULL);
    if (err == NULL)
        err = run_room(ctx, &r, address == NULL);
    keel_chan_free(r.come);
    keel_chan_free(r.go);
    keel_chan_free(r.say);
    return err;
}

int main(int argc, char **argv)
{
    return keel_main(run, argc > 1 ? argv[1] : NULL);
}
