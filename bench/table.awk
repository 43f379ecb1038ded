# SPDX-License-Identifier: MIT
# Makes of single runs, workload TAB peer TAB value TAB unit, the medians in the same form, and then a
# table that shows for each workload keel, the others, and the ratio of keel's median to each: of the peer
# "keel", and of the first that is "keel" and something more, such as "keel batch64".

BEGIN { FS = OFS = "\t" }

NF == 4 {
    key = $1 FS $2
    if (!(key in runs)) {
        if ($1 in peers)
            peers[$1] = peers[$1] FS $2
        else {
            peers[$1] = $2
            workloads[++workload_count] = $1
        }
        if ($2 ~ /^keel / && !($1 in second))
            second[$1] = $2
        unit[key] = $4
    }
    value[key, ++runs[key]] = $3 + 0
}

# Sorts the runs of one peer, and sets `median`, `least` and `most`.
function summarise(key,    i, j, v, n) {
    n = runs[key]
    for (i = 2; i <= n; i++) {
        v = value[key, i]
        for (j = i - 1; j >= 1 && value[key, j] > v; j--)
            value[key, j + 1] = value[key, j]
        value[key, j + 1] = v
    }
    least[key] = value[key, 1]
    most[key] = value[key, n]
    median[key] = n % 2 ? value[key, (n + 1) / 2] : (value[key, n / 2] + value[key, n / 2 + 1]) / 2
}

# Three digits, without an exponent.
function short(x) {
    return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : x >= 1 ? "%.2f" : "%.3f", x)
}

# Few allocations are fractions: caches that fill once.
function allocations(x) {
    return sprintf(x >= 1000 ? "%.0f allocs/op" : "%.3g allocs/op", x)
}

function ratio(w, mine, other) {
    mine = w FS mine
    other = w FS other
    return mine in median && median[other] > 0 ? short(median[mine] / median[other]) : ""
}

function show(w,    names, n, i, p, key, note) {
    n = split(peers[w], names, FS)
    for (i = 1; i <= n; i++) {
        p = names[i]
        key = w FS p
        note = ""
        if (p ~ /^keel/) {
            if (w "_allocs" FS p in median)
                note = allocations(median[w "_allocs" FS p])
            printf "%-26s %-33s %10s %-8s %10s..%-10s  %s\n", i == 1 ? w : "", p,
                short(median[key]), unit[key], short(least[key]), short(most[key]), note
        } else {
            printf "%-26s %-33s %10s %-8s %10s..%-10s %10s %11s\n", i == 1 ? w : "", p,
                short(median[key]), unit[key], short(least[key]), short(most[key]),
                ratio(w, "keel", p), ratio(w, second[w], p)
        }
    }
}

END {
    for (i = 1; i <= workload_count; i++) {
        n = split(peers[workloads[i]], names, FS)
        for (k = 1; k <= n; k++) {
            key = workloads[i] FS names[k]
            summarise(key)
            printf "%s\t%s\t%.6g\t%s\n", workloads[i], names[k], median[key], unit[key]
        }
    }
    printf "\n%-26s %-33s %10s %-8s %10s..%-10s %10s %11s\n", "workload", "peer", "median", "unit",
        "min", "max", "keel/it", "keel +/it"
    for (i = 1; i <= workload_count; i++)
        if (workloads[i] !~ /_allocs$/)
            show(workloads[i])
}
