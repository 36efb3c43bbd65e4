#!/bin/sh
# Writes a C file that holds all files of webd/static/, each also compressed, for the program webd.
# usage: webd/static_files.sh OUT.c FILE...
set -eu
out=$1
shift
work=$out.d
mkdir -p "$work"
{
	echo '/* Made by webd/static_files.sh. */'
	echo '#include "webd/static_files.h"'
	echo
	n=0
	for file; do
		n=$((n + 1))
		gzip -9nc "$file" >"$work/$n.gz"
		for part in "raw $file" "gz $work/$n.gz"; do
			cat <<EOT
__asm__(".pushsection .rodata\n.hidden static_${part%% *}_$n\n.global static_${part%% *}_$n\nstatic_${part%% *}_$n:\n.incbin \"${part#* }\"\n"
	".hidden static_${part%% *}_${n}_end\n.global static_${part%% *}_${n}_end\nstatic_${part%% *}_${n}_end:\n.byte 0\n.popsection");
extern const char static_${part%% *}_$n[], static_${part%% *}_${n}_end[];
EOT
		done
	done
	echo
	echo 'const struct static_file static_files[] = {'
	n=0
	for file; do
		n=$((n + 1))
		hash=$(sha256sum "$file" | cut -c 1-32)
		echo "	{\"/${file#*static/}\", \"\\\"$hash\\\"\", \"\\\"$hash-gz\\\"\", static_raw_$n, static_raw_${n}_end, static_gz_$n, static_gz_${n}_end},"
	done
	echo '	{0}};'
	echo "const unsigned long n_static_files = $n;"
} >"$out"
