/*
 * Requests to webd (docs/webapi.md): JSON there and back, the CSRF token on each change, errors with a sentence for people.
 * Knows nothing of pages: who is told when a session has ended is set by onLoggedOut().
 */

const BASE = '/api/';

/** What webd or the network refused: message is a sentence for people, code a word for programs. */
export class ApiError extends Error {
	constructor(status, code, message, details = {}) {
		super(message);
		this.status = status;
		this.code = code;
		this.details = details;
	}
}

/** Who is logged in: the answer of GET session, or null. */
export let session = null;
let whenLoggedOut = () => {};

export function setSession(answer) {
	session = answer;
}

/** Calls back when a request finds that the session has ended. */
export function onLoggedOut(callback) {
	whenLoggedOut = callback;
}

/** The address of a GET request, for links, images and frames. */
export function url(path, params = {}) {
	const query = new URLSearchParams();

	for (const [name, value] of Object.entries(params)) {
		if (value !== null && value !== undefined && value !== '' && value !== false)
			query.set(name, value === true ? '1' : value);
	}
	const text = query.toString();
	return BASE + path + (text ? '?' + text : '');
}

/** What there is to say when nothing was answered. */
export function unreachable() {
	return new ApiError(0, 'network', 'The mail server cannot be reached. Check your connection and try again.');
}

function refusal(status, body) {
	const error = new ApiError(status, body?.code ?? 'later',
		body?.error ?? `The mail server answered with an error (${status}). Try again in a moment.`, body ?? {});

	if (status === 401 && session) {
		session = null;
		whenLoggedOut();
	}
	return error;
}

function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

async function request(path, options) {
	let response, text;

	try {
		response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...options });
		text = await response.text();
	} catch (error) {
		throw error.name === 'AbortError' ? error : unreachable();
	}
	const body = parse(text);
	if (!response.ok)
		throw refusal(response.status, body);
	return body ?? {};
}

/** signal: of an AbortController; a request ended by it throws AbortError. */
export function get(path, params, { signal } = {}) {
	return request(url(path, params), { signal });
}

export async function getText(path, params) {
	let response;

	try {
		response = await fetch(url(path, params), { credentials: 'same-origin', cache: 'no-store' });
		if (response.ok)
			return await response.text();
	} catch {
		throw unreachable();
	}
	throw refusal(response.status, parse(await response.text()));
}

function csrf() {
	return session ? { 'X-CSRF-Token': session.csrf } : {};
}

export function post(path, body = {}) {
	return request(BASE + path, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json', ...csrf() },
		body: JSON.stringify(body),
	});
}

/** A body that is no JSON, such as a vCard file. */
export function postRaw(path, type, body) {
	return request(BASE + path, { method: 'POST', headers: { 'Content-Type': type, ...csrf() }, body });
}

/** Sends a file; progress(part of 1) is called on the way. Returns { done: Promise, abort() }. */
export function upload(path, params, file, progress = () => {}) {
	const sending = new XMLHttpRequest();

	const done = new Promise((resolve, reject) => {
		sending.open('POST', url(path, params));
		sending.setRequestHeader('Content-Type', 'application/octet-stream');
		sending.setRequestHeader('X-CSRF-Token', session?.csrf ?? '');
		sending.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
		sending.onload = () => {
			const body = parse(sending.responseText);
			if (sending.status < 400)
				resolve(body);
			else
				reject(refusal(sending.status, body));
		};
		sending.onerror = () => reject(unreachable());
		sending.onabort = () => reject(new ApiError(0, 'aborted', ''));
		sending.send(file);
	});
	return { done, abort: () => sending.abort() };
}

/** An event stream; handlers are {name: function(data)}. The caller closes it. */
export function stream(path, params, handlers) {
	const source = new EventSource(url(path, params));

	for (const [name, handle] of Object.entries(handlers)) {
		if (name === 'open' || name === 'error')
			source.addEventListener(name, () => handle(source));
		else
			source.addEventListener(name, (event) => handle(parse(event.data)));
	}
	return source;
}
