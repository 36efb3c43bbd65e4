#!/bin/sh
# Installs what this Debian machine lacks of the packages that a task needs; does nothing otherwise.
# usage: tests/packages.sh build|run|check|lint|bench...
set -eu

build="gcc libc6-dev make pkg-config libevent-dev libbsd-dev libseccomp-dev libjansson-dev libcrypt-dev zlib1g-dev libssl-dev libldns-dev libidn2-dev libsqlite3-dev libgmime-3.0-dev libxml2-dev libarchive-dev libmagic-dev"
run="curl openssl"
check="libcmocka-dev swaks libnet-ssleay-perl mpop s-nail mutt php-cli git git-email libmailtools-perl curl openssl python3 python3-pytest python3-pytest-xdist procps strace mandoc nsd unbound ldnsutils chromium chromium-driver python3-selenium"
# Servers that the tests collect from are unpacked, as they exclude each other; these are their libraries, which do not.
dovecot="libapparmor1 libcap2 libexttextcat-2.0-0 libicu72 liblua5.4-0 libpam0g libsodium23 libstemmer0d libtirpc3 libunwind8 libwrap0"
courier="libcourier-unicode4 libgamin0 libgdbm6 libgnutls30 libidn12 libltdl7 perl"
cyrus="libdb5.3 libgnutls30 libical3 libicu72 libkrb5-3 libldap-2.5-0 libnsl2 libpcre3 libpq5 libsasl2-2 libsasl2-modules libsasl2-modules-db libwrap0 libxapian30 libxml2"
check="$check $dovecot $courier $cyrus"
lint="clang-tidy mandoc"
deb="debhelper dh-apparmor dpkg-dev lintian"
package="systemd-container debootstrap e2fsprogs python3 qemu-system-x86 util-linux"
# smtp-source, Dovecot and collectors of mail are unpacked from their packages, which need not be installed; these are their libraries.
bench="python3 procps openssl libdb5.3 libicu72 libnsl2 $dovecot libgsasl18 libsecret-1-0"

list=
for task; do
	case $task in
	build) list="$list $build" ;;
	run) list="$list $run" ;;
	check) list="$list $check" ;;
	lint) list="$list $lint" ;;
	deb) list="$list $deb" ;;
	package) list="$list $package" ;;
	bench) list="$list $bench" ;;
	*) echo "packages.sh: no task $task" >&2; exit 64 ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "This is no Debian: these packages, or what they are called here, must be there:$list" >&2
	exit 0
fi

missing=
for package in $list; do
	status=$(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true)
	case $status in
	*installed*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "Missing, and only root can install them: apt-get install$missing" >&2
		exit 77
	fi
	sudo=sudo
fi
echo "Installing:$missing"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	-o DPkg::Lock::Timeout=600 $missing >/dev/null
