/* When to send: a menu of usual times, and a dialog for any other. */
import { dateAndTime } from './format.js';
import { T } from './texts.js';
import { button, dialog, field, form, input, menu } from './ui.js';

const MONDAY = 1;
const AHEAD_MAX_MS = 366 * 86400e3;

function at(days, hour) {
	const when = new Date();

	when.setDate(when.getDate() + days);
	when.setHours(hour, 0, 0, 0);
	return when;
}

function daysTo(weekday) {
	return (weekday - new Date().getDay() + 7) % 7 || 7;
}

function usual() {
	const hour = new Date(Date.now() + 3600e3);

	return [[T.later.hour, hour], [T.later.evening, at(0, 18)], [T.later.morning, at(1, 8)], [T.later.monday, at(daysTo(MONDAY), 8)]].filter(([, when]) => when > Date.now() + 60e3);
}

/** A time as <input type=datetime-local> has it. */
function localText(when) {
	return new Date(when - when.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);
}

function askTime(done) {
	const control = input({ type: 'datetime-local', value: localText(at(1, 9)), min: localText(new Date()), required: true });
	const entry = field({ label: T.later.time, control, help: T.later.help });
	const node = dialog({ title: T.compose.later, body: form({
		buttons: [button({ label: T.later.action, icon: 'clock', kind: 'primary' }), button({ label: T.cancel, onclick: () => node.shut() })],
		submit: () => {
			const when = new Date(control.value).getTime();
			const wrong = !(when > Date.now()) ? T.later.past : when > Date.now() + AHEAD_MAX_MS ? T.later.far : null;
			entry.setError(wrong);
			if (!wrong) {
				node.shut();
				done(Math.floor(when / 1000));
			}
		},
	}, entry) });
}

/** done(seconds since 1970) */
export function chooseTime(anchor, done) {
	menu(anchor, [
		{ heading: T.compose.later },
		...usual().map(([label, when]) => {
			const seconds = Math.floor(when.getTime() / 1000);
			return { label: `${label} – ${dateAndTime(seconds)}`, icon: 'clock', onclick: () => done(seconds) };
		}),
		'-',
		{ label: T.later.other, icon: 'settings', onclick: () => askTime(done) },
	]);
}
