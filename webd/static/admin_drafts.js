/*
 * What was changed in the forms of the configuration and is not saved yet, by panel: it stays while other panels are
 * looked at, and the browser asks before it would be lost.
 */

/** Panel to Map of "section\nkey" to { section, key, value: text or null }. */
export const drafts = new Map();
let told = () => {};

export function onDraft(callback) {
	told = callback;
}

/** The changes of a panel, made when there are none yet; call changed() after each change. */
export function draftOf(panel) {
	return drafts.get(panel) ?? new Map();
}

/** Keeps the changes of a panel, or forgets them when there are none. */
export function keepDraft(panel, changes) {
	if (changes.size)
		drafts.set(panel, changes);
	else
		drafts.delete(panel);
	told();
}

window.addEventListener('beforeunload', (event) => {
	if (drafts.size)
		event.preventDefault();
});
window.addEventListener('logged-out', () => drafts.clear());
