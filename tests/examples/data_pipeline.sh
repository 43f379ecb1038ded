#!/bin/sh
# SPDX-License-Identifier: MIT
# What data_pipeline does with odd files, times and outputs. $1: the program.
set -u

program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dir=$(mktemp -d) || exit 1
trap 'chmod 755 "$dir"/* 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

# run STATUS ARGUMENT...: runs the program, which must end with that status.
run() {
    want=$1
    shift
    "$program" "$@" >out 2>err
    got=$?
    ok=true
    if [ "$got" -ne "$want" ]; then
        ok=false
        echo "    exit status $got, expected $want"
    fi
}

# out PATTERN, err PATTERN: a line of the output, or of the messages, must match.
out() { grep -Eq -- "$1" out || { ok=false; echo "    no line of the output matches $1"; }; }
err() { grep -Eq -- "$1" err || { ok=false; echo "    no message matches $1"; }; }
nothing_written() { [ ! -s out ] || { ok=false; echo "    something was written"; }; }
# word WORD COUNT: must be among the top words.
word() {
    tr -d ' \n' <out | grep -q "{\"word\":\"$1\",\"count\":$2}" ||
        { ok=false; echo "    $1 is not there $2 times"; }
}
# files COUNTED REFUSED WORDS DISTINCT
files() { out "\"files\": $1,"; out "\"refused\": $2,"; out "\"words\": $3,"; out "\"distinct\": $4,"; }

# case_is TEXT: ends a case.
case_is() {
    if $ok; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        sed 's/^/    err: /' err
        failed=1
    fi
}

# letters N: so many letters in a row.
letters() { head -c "$1" /dev/zero | tr '\0' x; }

echo 'To be, or not to be' >text

run 0 text
files 1 0 6 4
out '"checked": true'
err 'checked: equal'
word be 2
word to 2
word not 1
case_is 'words in either case are one word'

run 0 --no-check text
out '"checked": false'
case_is 'without a check it says so'

run 0 text text
files 2 0 12 4
case_is 'a file named twice counts twice'

run 1 missing text
files 1 1 6 4
err 'open missing: no such file or directory'
case_is 'a missing file is refused, the others count'

run 1 missing
nothing_written
err 'open missing: no such file or directory'
case_is 'only a missing file: nothing is written'

: >empty
run 0 empty
files 1 0 0 0
out '"top": \[\]'
case_is 'an empty file has no words'

printf 'some words\0and more' >binary
run 1 binary text
files 1 1 6 4
err 'binary is not a text: NUL byte at offset 10'
case_is 'a binary file is refused, with the place'

{ letters 200000; printf '\0'; } >late
run 1 text late
files 1 1 6 4
err 'late is not a text: NUL byte at offset 200000'
case_is 'nothing of a file counts whose NUL byte comes late'

mkdir directory
run 1 directory text
files 1 1 6 4
err 'directory: is a directory'
case_is 'a directory is refused'

mkfifo fifo
run 1 fifo text
files 1 1 6 4
err 'fifo is not a regular file'
case_is 'a FIFO is refused, and not waited for'

run 1 /dev/zero text
files 1 1 6 4
err '/dev/zero is not a regular file'
case_is 'a device is refused'

cp text secret
chmod 000 secret
without='a file without permission is refused'
if [ -r secret ]; then # root reads everything, so be nobody for a moment
    chmod 755 .
    ok=true
    if setpriv --reuid=65534 --clear-groups "$program" text >out 2>err; then
        setpriv --reuid=65534 --clear-groups "$program" secret text >out 2>err && ok=false
        err 'open secret: permission denied'
        case_is "$without"
    else
        echo "skipped $without (needs setpriv, and a program that nobody may run)"
    fi
else
    run 1 secret text
    files 1 1 6 4
    err 'open secret: permission denied'
    case_is "$without"
fi

run 1 missing binary directory fifo text
files 1 4 6 4
case_is 'many refused files are all reported'
for name in missing binary directory fifo; do
    err "$name"
done
case_is '... each by name'

letters 300 >long
run 0 long
files 1 0 2 2
word "$(letters 256)" 1
word "$(letters 44)" 1
case_is 'a word of 300 letters is cut after 256'

letters 256 >exact
run 0 exact
files 1 0 1 1
case_is 'a word of 256 letters is one'

printf 'no newline at the end' >unended
run 0 unended
files 1 0 5 5
word end 1
case_is 'the last word needs no newline'

for before in 65530 65533 65535 65536 65537; do
    { letters 200 && letters $((before - 201)) | tr x ' ' && printf ' across %s' between; } >across
    run 0 across
    files 1 0 3 3
    word across 1
    word between 1
    case_is "a word across the chunks' border, from byte $before"
done

{ letters 65536 && echo ' end'; } >full
run 0 full
files 1 0 257 2
word "$(letters 256)" 256
case_is 'a word that fills a chunk'

{ letters 65500 | tr x ' ' && letters 1000 && echo ' end'; } >straddle
run 0 straddle
files 1 0 5 3
word "$(letters 256)" 3
word "$(letters 232)" 1
case_is 'a long word across the border is cut at the same places'

letters 65536 | tr x ' ' >exactly
run 0 exactly
files 1 0 0 0
case_is 'a file of exactly one chunk, of spaces'

printf 'na\303\257ve caf\303\251 \377\200 a1b2\n' >bytes
run 0 bytes
files 1 0 5 5
word na 1
word ve 1
word caf 1
case_is 'bytes from 0x80 on, and digits, separate words'

printf 'd b a c b a c d' >ties
run 0 ties
tr -d ' \n' <out | grep -q '"a",.*"b",.*"c",.*"d",' ||
    { ok=false; echo '    not in alphabetical order'; }
case_is 'ties are in alphabetical order'

# $1 different words of $2 letters
different() {
    awk -v n="$1" -v len="$2" 'BEGIN {
        for (i = 0; i < len; i++) fill = fill "z"
        for (i = 0; i < n; i++) {
            word = ""
            for (k = i; length(word) < 5; k = int(k / 26)) word = sprintf("%c", 97 + k % 26) word
            print substr(fill, 6) word
        }
    }'
}
different 1000000 5 >most
run 0 most
files 1 0 1000000 1000000
case_is 'a million different words are counted'

different 1000001 5 >too_many
run 1 too_many
nothing_written
err 'more than 1000000 distinct words'
case_is 'one more is a clear error'

different 131073 256 >too_long
run 1 too_long
nothing_written
err 'distinct words of more than 33554432 bytes'
case_is 'so are long words beyond 32 MiB'

run 1 --timeout 1ns text
nothing_written
err 'no result within 1ns'
case_is 'a deadline of 1ns: nothing is written'

run 1 --timeout 1ns -o result text
[ ! -e result ] || { ok=false; echo '    the file is there'; }
case_is 'nor to a file'

for time in 5 -1s 0 soon; do
    run 2 --timeout "$time" text
    err '--timeout needs a time'
    case_is "--timeout $time is refused"
done

run 0 -o result text
nothing_written
cp result out
files 1 0 6 4
[ "$(echo result*)" = result ] || { ok=false; echo '    a temporary file was left'; }
case_is 'the report goes to a file'

run 1 -o no/such/place text
err 'create no/such/place.*: no such file or directory'
case_is 'an output path that does not exist'

run 1 -o directory text
err 'directory is not a regular file'
case_is 'an output path that is a directory'

run 1 -o /dev/null text
err '/dev/null is not a regular file'
[ -c /dev/null ] || { ok=false; echo '    the device was replaced'; }
case_is 'an output path that is a device stays one'

if [ -c /dev/full ]; then
    ok=true
    "$program" text >/dev/full 2>err && ok=false
    : >out
    err 'write standard output: no space left on device'
    case_is 'a full standard output is an error'
fi

ok=true
{ "$program" text 2>err; echo $? >status; } | true
: >out
case_is 'a closed standard output does not matter' # either all was written before, or an error

run 2 --unknown
err 'usage:'
case_is 'an unknown option'

exit $failed
