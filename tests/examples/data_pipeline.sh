#!/bin/sh
# SPDX-License-Identifier: MIT
# What data_pipeline does with odd inputs, signals and outputs. $1: the program.
set -u

program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dir=$(mktemp -d) || exit 1
trap 'chmod 755 "$dir"/* 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0
header='id,customer,product,amount,currency,time'

# run STATUS ARGUMENT...: runs the program, which must end with that status; dead letters in "dead".
run() {
    want=$1
    shift
    rm -f dead
    "$program" -d dead "$@" >out 2>err </dev/null
    got=$?
    ok=true
    [ "$got" -eq "$want" ] || wrong "exit status $got, expected $want"
}

wrong() { ok=false; echo "    $1"; }

# out TEXT, err TEXT: a line of the result, or of the messages, must hold it.
out() { grep -Fq -- "$1" out || wrong "no line of the result has $1"; }
err() { grep -Fq -- "$1" err || wrong "no message has $1"; }
# dead STAGE LINE TEXT: there must be such a dead letter.
dead() {
    grep -F "\"stage\":\"$1\"" dead | grep -F "\"line\":$2," | grep -Fq -- "$3" ||
        wrong "no dead letter of $1, line $2, has $3"
}
letters() { [ "$(wc -l <dead)" -eq "$1" ] || wrong "$(wc -l <dead) dead letters, expected $1"; }
nothing_written() { [ ! -s out ] || wrong 'something was written'; }
no_temporary() { [ -z "$(find . -name '*.tmp')" ] || wrong 'a temporary file was left'; }

# case_is TEXT: ends a case.
case_is() {
    no_temporary
    if $ok; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        sed 's/^/    err: /' err
        failed=1
    fi
}

# csv LINE...: an order file with these records behind the header.
csv() { echo "$header"; printf '%s\n' "$@"; }
# many N C: so many times that character.
many() { head -c "$1" /dev/zero | tr '\0' "$2"; }

good='1,Ada,tea,12.50,EUR,2026-01-03T09:12:44Z'
other='2,Ada,tea,0.50,EUR,2026-01-03T09:12:44Z'
row='{"month":"2026-01","product":"tea","orders":1,"euros":12.50}'
both='{"month":"2026-01","product":"tea","orders":2,"euros":13.00}'
json='{"id":1,"customer":"Ada","product":"tea","amount":12.5,"currency":"EUR","time":"2026-01-03T09:12:44Z"}'

# ---- Formats ----

csv "$good" "$other" >good.csv
run 0 good.csv
out "$both"
letters 0
err '2 orders counted in 1 rows'
case_is 'orders are added up by month and product'

printf '\357\273\277%s\r\n%s\r\n\r\n%s' "$header" "$good" "$other" >crlf.csv
run 0 crlf.csv
out "$both"
case_is 'a byte order mark, CRLF, empty lines, and no line end at the end'

printf 'time,x,currency,amount,product,customer,id\n%s,"a\n""b""",EUR,12.50,"te""a, x",Ada,1\n%s\n' \
    2026-01-03T09:12:44Z '2026-01-03T09:12:44Z,y,EUR,0.50,tea,Ada,z' >columns.csv
run 3 columns.csv
out '"product":"te\"a, x","orders":1'
dead validate 4 '"value":"z"'
case_is 'columns in any order, others between, a record of two lines'

echo "$json" >good.jsonl
run 0 good.jsonl
out "$row"
case_is 'JSON lines'

cp good.jsonl json_without_name
cp good.csv csv_without_name
run 3 json_without_name csv_without_name
out "$both"
dead aggregate 2 'order 1: already exists'
letters 1
case_is 'the first line tells the format, and the first of two orders with one id counts'

ok=true
"$program" -q - <good.csv >out 2>err || wrong "exit status $?"
out "$both"
[ ! -s err ] || wrong 'something was said'
case_is 'standard input, and nothing said with -q'

csv "$good" '1,Ada,coffee,12.50,EUR,2026-01-03T09:12:44Z' >again.csv
run 3 again.csv
out "$row"
[ "$(wc -l <out)" -eq 1 ] || wrong 'there is a row without orders'
case_is 'a product whose only order is refused has no row'

: >empty.csv
: >empty.jsonl
run 0 empty.csv empty.jsonl good.csv
out "$both"
case_is 'empty files are files without orders'

# ---- Records that are wrong ----

csv "$good" '3,Ada,"tea,1.00,EUR,2026-01-03T09:12:44Z' "$other" >quote.csv
run 3 quote.csv
out "$both"
dead read 3 'a quote is not closed'
letters 1
case_is 'a quote that is not closed costs one line'

{
    csv "$good" '3,Ada,"tea,1.00,EUR,2026-01-03T09:12:44Z'
    i=10
    while [ $i -lt 2010 ]; do
        echo "$i,Ada,tea,1.00,EUR,2026-02-03T09:12:44Z"
        i=$((i + 1))
    done
} >far.csv
run 3 far.csv
out "$row"
out '"month":"2026-02","product":"tea","orders":2000,'
letters 1
case_is '... also where more follows than a record may have'

csv '3,Ada,"tea"x,1.00,EUR,2026-01-03T09:12:44Z' '4,Ada,5" tea,1.00,EUR,2026-01-03T09:12:44Z' \
    "$good" >quotes.csv
run 3 quotes.csv
out "$row"
dead decode 2 'column 3: text behind the closing quote'
dead decode 3 'column 3: a quote in a field that does not begin with one'
case_is 'quotes where none may be'

csv '3,Ada,tea' '3,Ada,tea,1.00,EUR,2026-01-03T09:12:44Z,more' "$good" >counts.csv
run 3 counts.csv
out "$row"
dead decode 2 '3 columns, where the header has 6'
dead decode 3 '7 columns, where the header has 6'
case_is 'too few and too many columns'

{ csv "$good" && printf '3,Ad\351le,tea,1,EUR,2026-01-03T09:12:44Z\n4,A\0a,tea,1,EUR,2026-01-03T09:12:44Z\n'; } >bytes.csv
run 3 bytes.csv
out "$row"
dead decode 3 'invalid UTF-8 at byte 5'
dead decode 4 'a NUL at byte 4'
dead decode 4 'A\u0000a'
case_is 'invalid UTF-8, and a NUL'

{
    csv "$good" && many 300000 x && echo
    printf '%s\n' "$other" '3,Ada,milk,1,EUR,2026-01-03T09:12:44Z' '4,Ada,milk,1,EUR,2026-01-03T09:12:44Z'
} >long.csv
run 3 long.csv
out "$both"
out '"product":"milk","orders":2'
dead read 3 'more than 16384 bytes'
dead read 3 '"cut":true'
[ "$(wc -c <dead)" -lt 1000 ] || wrong 'the dead letter is long itself'
case_is 'a line of 300,000 bytes'

{ many 300000 x && printf '\n%s\n' "$json"; } >long.jsonl
run 3 long.jsonl
out "$row"
dead read 1 'more than 16384 bytes'
case_is '... in JSON, as the first'

for size in 16383 16384 16385; do
    # the record has so many bytes: five fields, and a column that is not asked for
    { echo "$header,note" && printf '%s,' "$good" && many $((size - ${#good} - 1)) x && echo; } >edge.csv
    if [ $size -le 16384 ]; then
        run 0 edge.csv
        out "$row"
    else
        run 3 edge.csv
        dead read 2 'more than 16384 bytes'
    fi
    case_is "a record of $size bytes"
done

csv "1,Ada,$(many 65 t),1,EUR,2026-01-03T09:12:44Z" "2,Ada,$(many 64 t),1,EUR,2026-01-03T09:12:44Z" >field.csv
run 3 field.csv
out "\"product\":\"$(many 64 t)\",\"orders\":1"
dead decode 2 'column 3: more than 64 bytes'
case_is 'a field of 64 bytes is one, a field of 65 too long'

{
    many 10000 '['
    echo
    printf '{"id":1,"note":%s1%s}\n' "$(many 8 '[')" "$(many 8 ']')"
    printf '{"note":"\\"%s","lists":[[],[],[],[],[],[],[],[],[],[]],%s\n' "$(many 100 '[')" "${json#?}"
    echo '{"id":1'
    echo '[1,2]'
    echo 'nonsense'
    echo '{"id":1,"id":2}'
    echo '{"id":true}'
    echo '{"id":9}'
    echo '{"id":1e300,"customer":"a","product":"b","amount":1,"currency":"EUR","time":"t"}'
    echo '{"id":5,"customer":"a\u0007","product":"b","amount":1,"currency":"EUR","time":"t"}'
} >odd.jsonl
run 3 odd.jsonl
out "$row"
letters 10
dead decode 1 'JSON nested more than 8 deep'
dead decode 2 'JSON nested more than 8 deep'
dead decode 4 'JSON, column'
dead decode 5 'not a JSON object'
dead decode 6 'JSON, column'
dead decode 7 'duplicate'
dead decode 8 'id: no text, no number'
dead decode 9 'customer: missing'
dead validate 10 'id: '
dead decode 11 'customer: a control character'
case_is 'JSON that is deep, cut off, no object, nonsense, doubled, of the wrong types'

csv '0,A,tea,1,EUR,2026-01-03T09:12:44Z' '99999999999999999999,A,tea,1,EUR,2026-01-03T09:12:44Z' \
    '3,,tea,1,EUR,2026-01-03T09:12:44Z' '4,A,tea,-1,EUR,2026-01-03T09:12:44Z' \
    '5,A,tea,1.005,EUR,2026-01-03T09:12:44Z' '6,A,tea,1000000000,EUR,2026-01-03T09:12:44Z' \
    '7,A,tea,0.00,EUR,2026-01-03T09:12:44Z' '8,A,tea,1,eur,2026-01-03T09:12:44Z' \
    '9,A,tea,1,EUR,2026-02-29T09:12:44Z' '10,A,tea,1,EUR,2028-02-29T23:59:59Z' \
    '11,A,tea,1,EUR,2026-01-03 09:12:44Z' '12,A,tea,1,EUR,2026-01-03T24:00:00Z' >values.csv
run 3 values.csv
out '{"month":"2028-02","product":"tea","orders":1,"euros":1.00}'
letters 11
for line in 2 3; do dead validate $line 'id: '; done
dead validate 4 'customer: empty'
for line in 5 6 7 8; do dead validate $line 'amount: '; done
dead validate 9 'currency: '
for line in 10 12 13; do dead validate $line 'time: '; done
dead validate 5 '"fields":{"field":"amount","value":"-1"}'
case_is 'values that make no sense, each with its field and value'

csv '1,A,tea,1,XXX,2026-01-03T09:12:44Z' >rate.csv
run 3 rate.csv
dead enrich 2 'no rate for XXX: not found'
case_is 'a currency without a rate is not asked for again'

run 0 --faults 1 -v good.csv
out "$both"
[ "$(awk '$1 == "enrich" { print $5 }' err)" = 2 ] || wrong 'not two further attempts'
case_is 'lookups that fail at first are tried again'

run 3 quote.csv
ok=true
"$program" quote.csv >out 2>err
err 'quote.csv:3: read: a quote is not closed'
case_is 'without a file for them the first dead letters are shown'

# ---- Files that are wrong ----

mkdir directory
run 3 missing good.csv directory
out "$both"
err 'missing: open missing: no such file or directory'
err 'directory: open directory: is a directory'
dead read 0 '"file":"missing"'
dead read 0 '"file":"directory"'
case_is 'a missing file and a directory do not keep the others from being counted'

run 1 missing directory
nothing_written
err 'no file could be read'
[ ! -e dead ] || wrong 'there are dead letters'
case_is 'where no file can be read nothing is written'

echo 'id,customer,product,amount,currency' >header.csv
echo 'id,customer,product,amount,currency,id,time' >twice.csv
run 3 header.csv twice.csv good.csv
err 'header.csv: header in line 1: no column "time"'
err 'twice.csv: header in line 1: two columns "id"'
case_is 'headers that lack a column, or have one twice'

head -c 300000 "$program" >binary
head -c 100000 /dev/zero >zeros
run 3 binary zeros good.csv
out "$both"
err 'binary: header in line 1: '
err 'zeros: header in line 1: more than 16384 bytes'
case_is 'binary files'

if [ -c /dev/zero ]; then
    run 3 /dev/zero good.csv
    out "$both"
    err '/dev/zero: header in line 1: more than 16384 bytes'
    case_is 'a device without end'
fi

cp good.csv secret.csv
chmod 000 secret.csv
without='a file without permission'
if [ -r secret.csv ]; then # root reads everything, so be nobody for a moment
    chmod 755 .
    ok=true
    if setpriv --reuid=65534 --clear-groups "$program" good.csv >out 2>err; then
        setpriv --reuid=65534 --clear-groups "$program" secret.csv good.csv >out 2>err
        [ $? -eq 3 ] || wrong 'exit status not 3'
        err 'open secret.csv: permission denied'
        case_is "$without"
    else
        echo "skipped $without (needs setpriv, and a program that nobody may run)"
    fi
else
    run 3 secret.csv good.csv
    err 'open secret.csv: permission denied'
    case_is "$without"
fi

# ---- The result ----

echo old >result
chmod 640 result
ln -s result link
run 0 -o link good.csv
nothing_written
cp result out
out "$both"
[ -L link ] || wrong 'the link was replaced'
[ "$(stat -c %a result)" = 640 ] || wrong 'the mode has changed'
case_is 'a file is replaced where a link leads to it, and keeps its mode'

run 1 -o no/such/place good.csv
err 'create no/such/place'
case_is 'a result in a folder that does not exist'

run 1 -o directory good.csv
err 'directory: is a directory'
case_is 'a result that is a directory'

if [ -c /dev/full ]; then
    run 1 -o /dev/full good.csv
    err 'failed after 3 attempts: write /dev/full: no space left on device'
    [ ! -e dead ] || wrong 'there are dead letters'
    case_is 'a full disk: tried three times, then nothing is written'

    ok=true
    "$program" quote.csv -d /dev/full -o fresh 2>err && wrong 'it succeeded'
    err 'dead letters: write /dev/full: no space left on device'
    [ ! -e fresh ] || wrong 'there is a result'
    case_is '... for the dead letters'

    awk -v h="$header" 'BEGIN { print h; for (i = 0; i < 20000; i++) print "nonsense" i }' >nonsense.csv
    ok=true
    "$program" nonsense.csv -d /dev/full -o fresh 2>err && wrong 'it succeeded'
    err 'dead letters: write /dev/full: no space left on device'
    [ ! -e fresh ] || wrong 'there is a result'
    case_is '... while it runs'
fi

run 0 -o /dev/null good.csv
[ -c /dev/null ] || wrong 'the device was replaced'
case_is 'a device stays one'

awk -v h="$header" 'BEGIN {
    print h
    for (i = 1; i <= 20000; i++)
        printf "%d,Ada,p%d,1.00,EUR,2026-01-03T09:12:44Z\n", i, i
}' >rows.csv
ok=true
"$program" rows.csv 2>err | cat >out # a pipe takes them in pieces
[ "$(wc -l <out)" -eq 20000 ] || wrong "$(wc -l <out) rows"
LC_ALL=C sort -c out 2>/dev/null || wrong 'they are not in order'
[ "$(sort -u out | wc -l)" -eq 20000 ] || wrong 'a row is there twice'
case_is 'many rows, in order'

ok=true
{ "$program" -q -d dead rows.csv 2>err; echo $? >status; } | head -n 1 >out
[ "$(cat status)" -eq 1 ] || wrong "exit status $(cat status)"
err 'write standard output: broken pipe'
case_is 'a reader that is gone is an error, not a signal'

# ---- Stopping ----

rm -rf fresh dead
mkfifo pipe
(
    csv "$good"
    exec sleep 20
) >pipe &
feeder=$!
echo old >result
"$program" -o result -d dead pipe >out 2>err &
pid=$!
tries=0 # it has begun when the file beside the result is there
while [ -z "$(find . -name 'result.*.tmp')" ] && [ $tries -lt 1000 ]; do
    sleep 0.01
    tries=$((tries + 1))
done
kill -INT $pid
wait $pid
status=$?
kill $feeder 2>/dev/null
ok=true
[ $status -eq 1 ] || wrong "exit status $status, expected 1"
[ "$(cat result)" = old ] || wrong 'the result has changed'
[ ! -e dead ] || wrong 'there are dead letters'
err 'interrupted'
case_is 'Ctrl-C leaves what was there, and nothing else'

run 1 --timeout 1ns -o fresh good.csv
err 'no result within 1ns'
[ ! -e fresh ] || wrong 'there is a result'
case_is 'nor is anything written when the time is over'

# ---- Many ----

awk -v h="$header" 'BEGIN {
    split("tea coffee cups teapot", product, " "); split("EUR USD GBP CHF SEK PLN JPY", currency, " ")
    print h
    for (i = 1; i <= 200000; i++)
        printf "%d,customer %d,%s,%d.%02d,%s,2026-%02d-%02dT%02d:00:00Z\n", i % 100 ? i : i - 1,
            i % 977, product[i % 4 + 1], i % 300, i % 89, currency[i % 7 + 1], i % 12 + 1, i % 28 + 1, i % 24
}' >large.csv
for workers in 1 2 4; do
    run 3 -w $workers --faults 100 large.csv
    cp out "out.$workers"
    sort dead >"dead.$workers"
    peak=$(sed -n 's/.*at most \([0-9]*\) MiB$/\1/p' err)
    [ "${peak:-9999}" -le "${KEEL_TEST_PEAK_MIB:-64}" ] || wrong "a peak of $peak MiB"
    [ $workers -eq 1 ] || cmp -s out.1 out.$workers || wrong 'another result'
    [ $workers -eq 1 ] || cmp -s dead.1 dead.$workers || wrong 'other dead letters'
    case_is "200,000 orders with $workers workers: the same, in little memory"
done

# ---- The command line ----

for option in '-w 0' '-w x' '-w 1001' '--timeout 5' '--timeout -1s' '--faults 0' '--unknown' '-o dead'; do
    # shellcheck disable=SC2086
    run 2 $option good.csv
    err 'usage:'
    case_is "$option is refused"
done

run 0 --explain missing
out 'fold aggregate'
case_is 'the plan can be shown'

exit $failed
