#!/bin/bash
# make run: makes an instance in BUILD/instance, starts it, sends one message by SMTP and reads it by POP3.
# usage: [PORT_BASE=N] tests/run.sh BUILD
# Ports are N+25 and so on; without it free ones, or those that the instance has already.
set -euo pipefail
build=$(cd "$1" && pwd)
instance=$build/instance
offsets=(25 80 110 443 465 587 995)
keys=(SMTP HTTP POP3 HTTPS SMTPS Submission POP3S)
ctl() { "$build/sambarctl" -d "$instance" "$@"; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_base() {
	local base offset
	for base in 10000 12000 14000 16000 18000; do
		for offset in "${offsets[@]}"; do
			port_is_free $((base + offset)) || continue 2
		done
		echo $base
		return
	done
	echo "no free ports found: PORT_BASE=20000 make run takes 20025, 20110 and so on" >&2
	exit 69
}

# Of an instance that does not run.
move_to_base() {
	local i
	for i in "${!keys[@]}"; do
		ctl config set "[listen] ${keys[i]}" none >/dev/null
	done
	for i in "${!keys[@]}"; do
		ctl config set "[listen] ${keys[i]}" "127.0.0.1:$(($1 + offsets[i]))" >/dev/null
	done
}

if [ -d "$instance/config" ]; then
	ctl stop >/dev/null 2>&1 || true	# it may not run
	[ -z "${PORT_BASE:-}" ] || move_to_base "$PORT_BASE"
else
	separate=()
	[ "$(id -u)" != 0 ] || separate=(--uid-base 60000)
	chosen=${PORT_BASE:-$(free_base)}
	"$build/sambarctl" init "$instance" --domain example.test --port-base "$chosen" "${separate[@]}" >/dev/null
fi
base=$(($(sed -n 's/^SMTP *= *127\.0\.0\.1:\([0-9]*\).*/\1/p' "$instance/config/config.ini") - 25))
ctl user list | grep -qw ann || echo ann-secret | ctl user add ann
ctl alias list | grep -qw postmaster || ctl alias set postmaster ann
if ! ctl start; then
	echo "Where a port is taken, PORT_BASE=20000 make run chooses others: 20025, 20110 and so on." >&2
	exit 69
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
WebMail: http://127.0.0.1:$((base + 80))/ or https://127.0.0.1:$((base + 443))/
The user is ann with the password ann-secret. To go on:

    ctl="$build/sambarctl -d $instance"
    echo bob-secret | \$ctl user add bob
    \$ctl queue list
    \$ctl trace ann@example.test
    \$ctl stop

The settings are in $instance/config, explained in sambar.ini(5): man -l docs/man/sambar.ini.5
EOT
