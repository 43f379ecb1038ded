/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <string.h>

#include <keel/any.h>

static const int64_t max_cents = 100000000000; /* a thousand million */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads `count` digits. False: they are not. */
static bool digits(const char *text, size_t count, int *value)
{
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return false;
        *value = *value * 10 + (text[i] - '0');
    }
    return true;
}

/* Money is counted in cents: sums of doubles would depend on their order. */
static keel_err *parse_amount(const char *text, int64_t *cents)
{
    keel_str whole, part;
    int after = 0;

    if (!keel_str_cut(keel_str_from(text), KEEL_STR("."), &whole, &part))
        part = KEEL_STR("0");
    if (part.len < 1 || part.len > 2 || !digits(part.ptr, part.len, &after) || whole.len == 0 ||
        !is_digit(whole.ptr[0]))
        return keel_err_wrap(KEEL_ERR_SYNTAX, "not an amount with two decimals at most");
    KEEL_TRY(keel_str_to_i64(whole, 0, max_cents / 100 - 1, cents));
    *cents = *cents * 100 + (part.len == 1 ? after * 10 : after);
    return *cents > 0 ? NULL : keel_err_wrap(KEEL_ERR_RANGE, "nothing");
}

static int days_in(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (leap && month == 2);
}

/* "2026-03-01T12:00:00Z" */
static keel_err *parse_time(const char *text, char month[8])
{
    static const char form[] = "0000-00-00T00:00:00Z";
    int year, mon, day, hour, min, sec;
    bool fits = strlen(text) == sizeof form - 1;

    for (size_t i = 0; fits && form[i] != '\0'; i++)
        fits = form[i] == '0' ? is_digit(text[i]) : form[i] == text[i];
    if (!fits)
        return keel_err_wrap(KEEL_ERR_SYNTAX, "not a time like 2026-03-01T12:00:00Z");
    fits = digits(text, 4, &year) && digits(text + 5, 2, &mon) && digits(text + 8, 2, &day) &&
           digits(text + 11, 2, &hour) && digits(text + 14, 2, &min) && digits(text + 17, 2, &sec);
    if (!fits || mon < 1 || mon > 12 || day < 1 || day > days_in(year, mon) || hour > 23 ||
        min > 59 || sec > 59)
        return keel_err_wrap(KEEL_ERR_RANGE, "there is no such time");
    memcpy(month, text, 7);
    month[7] = '\0';
    return NULL;
}

static keel_err *check_currency(const char *text)
{
    if (strlen(text) != 3 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
        return keel_err_wrap(KEEL_ERR_SYNTAX, "not three letters like EUR");
    return NULL;
}

static keel_err *check_name(const char *text)
{
    return text[0] != '\0' ? NULL : keel_err_wrap(KEEL_ERR_SYNTAX, "empty");
}

static keel_err *validate_field(order *o, order_field field)
{
    const char *text = o->fields[field];

    switch (field) {
    case ID:
        return keel_str_to_i64(keel_str_from(text), 1, INT64_MAX, &o->id);
    case AMOUNT:
        return parse_amount(text, &o->cents);
    case CURRENCY:
        return check_currency(text);
    case TIME:
        return parse_time(text, o->month);
    default:
        return check_name(text);
    }
}

keel_err *validate_order(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    order *o = *(order *const *)in;

    (void)ctx, (void)arg;
    for (order_field f = ID; f < ORDER_FIELDS; f++) {
        keel_err *err = validate_field(o, f);

        if (err == NULL)
            continue;
        err = keel_err_wrap(err, "%s", order_field_names[f]);
        err = keel_err_with(err, "field", keel_any_text(order_field_names[f]));
        return keel_err_with(err, "value", keel_any_text(o->fields[f]));
    }
    *(order **)out = o;
    return NULL;
}
