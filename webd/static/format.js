/* Dates, sizes, numbers and names as people read them. */
import { T } from './texts.js';

const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric', hour: 'numeric', minute: '2-digit' });
const numbers = new Intl.NumberFormat();

/** 12:40 today, Tue this week, 3 Mar this year, 3 Mar 2024 before; seconds since 1970. */
export function shortDate(seconds, now = new Date()) {
	const then = new Date(seconds * 1000);
	const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
	const days = (midnight - new Date(then.getFullYear(), then.getMonth(), then.getDate())) / 86400e3;

	if (days === 0)
		return time.format(then);
	if (days > 0 && days < 6.5)
		return weekday.format(then);
	return then.getFullYear() === now.getFullYear() ? day.format(then) : date.format(then);
}

export function fullDate(seconds) {
	return full.format(new Date(seconds * 1000));
}

/** 12:40 today, 3 Mar 12:40 this year, 3 Mar 2024 12:40 before. */
export function dateAndTime(seconds, now = new Date()) {
	const then = new Date(seconds * 1000);

	if (then.toDateString() === now.toDateString())
		return time.format(then);
	return `${(then.getFullYear() === now.getFullYear() ? day : date).format(then)}, ${time.format(then)}`;
}

export function timeOfDay(seconds) {
	return time.format(new Date(seconds * 1000));
}

export function number(n) {
	return numbers.format(n);
}

/** 512 bytes, 14 KB, 3.2 MB */
export function size(bytes) {
	if (bytes < 1000)
		return T.bytes(bytes);
	for (const unit of ['KB', 'MB', 'GB', 'TB']) {
		bytes /= 1024;
		if (bytes < 1000)
			return `${bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)} ${unit}`;
	}
	return `${Math.round(bytes)} TB`;
}

/** The name of a person, or the address without one. */
export function personName(person) {
	return person?.name || person?.address || T.unknownSender;
}

/** "Ann Lee <ann@example.org>" as it may be typed. */
export function personText(person) {
	if (!person.name)
		return person.address;
	const name = /[^\p{L}\p{N} '._-]/u.test(person.name) ? `"${person.name.replace(/["\\]/g, '\\$&')}"` : person.name;
	return `${name} <${person.address}>`;
}
