/*
 * Values of the configuration and of reports as people read and write them: sizes, durations, lists, times. Pure.
 */
import { size, timeOfDay } from './format.js';
import { texts } from './texts_admin.js';

const SIZES = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 };

/** "25M" is ["25", "M"]; a bare number has the unit '', anything else stays whole, with unit null. */
export function splitUnit(value) {
	const match = /^\s*(\d+)\s*([A-Za-z]?)\s*$/.exec(value ?? '');

	return match ? [match[1], match[2]] : [value ?? '', null];
}

/** A size as typed, "500M" or "2 GB", in bytes; NaN when it is none. */
export function parseSize(text) {
	const match = /^\s*(\d+)\s*([KMG]?)B?\s*$/i.exec(text);

	return match ? Number(match[1]) * (SIZES[match[2].toUpperCase()] ?? 1) : NaN;
}

/** Bytes as the configuration writes them, without loss. */
export function exactSize(bytes) {
	const unit = ['G', 'M', 'K'].find((u) => bytes > 0 && bytes % SIZES[u] === 0);

	return unit ? `${bytes / SIZES[unit]}${unit}` : String(bytes);
}

/** How long, in one or two units. */
export function showSpan(seconds) {
	const s = Math.max(0, Math.round(seconds));
	const two = (n, unit, rest, small) => `${n} ${unit}${rest ? ` ${rest} ${small}` : ''}`;

	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min`;
	if (s < 86400)
		return two(Math.floor(s / 3600), 'h', Math.floor(s % 3600 / 60), 'min');
	if (s >= 30 * 86400)
		return `${Math.floor(s / 86400)} d`;
	return two(Math.floor(s / 86400), 'd', Math.floor(s % 86400 / 3600), 'h');
}

export function parseSeconds(text) {
	const match = /^\s*(\d+)\s*([smhd])\s*$/i.exec(text);

	return match ? Number(match[1]) * SECONDS[match[2].toLowerCase()] : NaN;
}

export function isTrue(value) {
	return /^(true|yes|on|1)$/i.test(value ?? '');
}

function showDuration(value) {
	const [n, unit] = splitUnit(value);

	return unit === null ? value : texts.units.spoken(Number(n), (unit || 's').toLowerCase());
}

/** A value of the configuration in words: "5m" as "5 minutes". What has no better words stays. */
export function showValue(value, type) {
	const bytes = type === 'size' ? parseSize(value ?? '') : NaN;

	if (value === null || value === undefined)
		return '';
	if (type === 'bool')
		return isTrue(value) ? texts.yes : texts.no;
	if (type === 'duration' || type === 'interval')
		return showDuration(value);
	return Number.isNaN(bytes) ? value : size(bytes);
}

/** The parts of a list; those in quotes whole. */
export function partsOf(value) {
	return (value ?? '').match(/"[^"]*"|\S+/g) ?? [];
}

const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
export function showDay(seconds) {
	return dayAndYear.format(new Date(seconds * 1000));
}

/** A time, as short as it is clear. */
export function showTime(seconds) {
	const date = new Date(seconds * 1000), now = new Date();

	if (date.toDateString() === now.toDateString())
		return timeOfDay(seconds);
	return `${(date.getFullYear() === now.getFullYear() ? day : dayAndYear).format(date)}, ${timeOfDay(seconds)}`;
}

export function showAgo(seconds) {
	const past = Date.now() / 1000 - seconds;

	return past < 5 ? texts.justNow : texts.ago(showSpan(past));
}

export function showUntil(seconds) {
	const ahead = seconds - Date.now() / 1000;

	return ahead < 1 ? texts.now : texts.inTime(showSpan(ahead));
}
