/*
 * Addresses within the page: '#/mail/3/3.55?q=...' is a path and parameters. Pages are shown by what show() was given.
 */

let routes = [];
let current = { path: [], params: new URLSearchParams() };

function read() {
	const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');

	return { path: path.split('/').filter(Boolean).map(decode), params: new URLSearchParams(query) };
}

function decode(word) {
	try {
		return decodeURIComponent(word);
	} catch {
		return word;
	}
}

/** Where we are: { path: [words], params: URLSearchParams }. */
export function here() {
	return current;
}

/** The hash for a path (words or a text with slashes) and parameters. */
export function href(path, params = {}) {
	const words = Array.isArray(path) ? path.map((word) => encodeURIComponent(word)).join('/') : path;
	const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== ''));
	const text = query.toString();

	return '#/' + words + (text ? '?' + text : '');
}

/** Goes to a path; with replace the back button does not return to where we were. */
export function go(path, params = {}, { replace = false } = {}) {
	const to = href(path, params);

	if (to === location.hash)
		return dispatch();
	if (!replace)
		location.hash = to;		/* hashchange dispatches */
	else {
		history.replaceState(history.state, '', to);
		dispatch();
	}
}

function dispatch() {
	current = read();
	current.path[0] ??= routes[0][0];
	const route = routes.find(([first]) => first === current.path[0]) ?? routes[0];
	route[1](current.path.slice(1), current.params);
}

/** table: [[first word of the path, function(rest of the path, parameters)]]; the first one is the default. */
export function start(table) {
	routes = table;
	window.addEventListener('hashchange', dispatch);
	dispatch();
}

export function stop() {
	window.removeEventListener('hashchange', dispatch);
}
