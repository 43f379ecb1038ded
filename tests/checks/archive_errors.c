/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <keel/err.h>

int main(void)
{
    keel_err *err = keel_err_wrap(keel_err_new("no port %d", 80), "listen");
    int wrong = printf("%s\n", KEEL_ERR_STR(err)) != (int)sizeof "listen: no port 80";

    keel_err_free(err);
    return wrong;
}
