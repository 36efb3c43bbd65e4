#!/bin/bash
# make run: makes an instance in BUILD/instance, starts it, sends one message by SMTP and reads it by POP3.
# usage: tests/run.sh BUILD
set -euo pipefail
build=$(cd "$1" && pwd)
instance=$build/instance
ctl() { "$build/sambarctl" -d "$instance" "$@"; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_base() {
	local base offset
	for base in 10000 12000 14000 16000 18000; do
		for offset in 25 110 465 587 995; do
			port_is_free $((base + offset)) || continue 2
		done
		echo $base
		return
	done
	echo "no free ports found" >&2
	exit 69
}

if [ -d "$instance/config" ]; then
	ctl stop >/dev/null 2>&1 || true	# it may not run
else
	separate=()
	[ "$(id -u)" != 0 ] || separate=(--uid-base 60000)
	"$build/sambarctl" init "$instance" --domain example.test --port-base "$(free_base)" "${separate[@]}" >/dev/null
fi
base=$(($(sed -n 's/^SMTP *= *127\.0\.0\.1:\([0-9]*\).*/\1/p' "$instance/config/config.ini") - 25))
ctl start
if ! ctl user list | grep -qw ann; then
	echo ann-secret | ctl user add ann
fi

log=$instance/log/router.log
before=$([ ! -f "$log" ] || wc -l <"$log")
subject="Hello at $(date +%T)"
echo
echo "Sending \"$subject\" from bob@example.test to ann@example.test by SMTP ..."
printf 'From: Bob <bob@example.test>\r\nTo: Ann <ann@example.test>\r\nSubject: %s\r\n\r\nIt works.\r\n' "$subject" |
	curl -sS "smtp://127.0.0.1:$((base + 25))/client.test" --mail-from bob@example.test \
		--mail-rcpt ann@example.test --upload-file -

# 250 says that it is safe; that it has arrived is the next line of the router's log.
exec 3< <(exec tail -n "+$((before + 1))" -F "$log" 2>/dev/null)
tail=$!
grep -q -m 1 delivered <&3
kill $tail
exec 3<&-

echo "Reading the newest message of ann by POP3 ..."
newest=$(curl -sS -u ann:ann-secret "pop3://127.0.0.1:$((base + 110))/" | tr -d '\r' | awk 'NF { n = $1 } END { print n }')
curl -sS -u ann:ann-secret "pop3://127.0.0.1:$((base + 110))/$newest" | tr -d '\r' | sed 's/^/    /'
echo
ctl status
cat <<EOT

It runs on 127.0.0.1 as example.test: SMTP $((base + 25)), submission $((base + 587)), SMTPS $((base + 465)), POP3 $((base + 110)), POP3S $((base + 995)).
The user is ann with the password ann-secret. To go on:

    ctl="$build/sambarctl -d $instance"
    echo secret | \$ctl user add bob
    \$ctl queue list
    \$ctl trace ann@example.test
    \$ctl stop

The settings are in $instance/config, explained in sambar.ini(5): man -l docs/man/sambar.ini.5
EOT
