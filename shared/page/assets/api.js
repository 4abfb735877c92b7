// Calls of the API. A problem (RFC 9457) in the server's response is thrown as
// Refused, and a missing response as Lost.

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.field = problem.field || "";
    this.status = status;
  }
}

export class Lost extends Error {}

// operator makes the header with the operator's token, which only this tab stores.
export function operator() {
  const token = sessionStorage.getItem("operator");
  return token ? { "Paragon-Operator": token } : {};
}

// takeOperator stores the token from the fragment of the page's address, and removes the
// fragment. An address with another token loads the page again.
export function takeOperator() {
  onhashchange = () => location.hash.startsWith("#operator=") && location.reload();
  const [name, token] = location.hash.slice(1).split("=");
  if (name !== "operator" || !token) return;
  sessionStorage.setItem("operator", token);
  history.replaceState(null, "", location.pathname);
}

// refuseToken deletes a token that the server does not accept, and says so.
export function refuseToken() {
  if (!sessionStorage.getItem("operator")) return;
  sessionStorage.removeItem("operator");
  document.getElementById("operator-message").textContent = "The server refuses this token. It makes a new token at each start: read the file again.";
}

// askForOperator stores the operator's token from its form and loads the page again.
export function askForOperator(form, field) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("operator", field.value.trim());
    location.reload();
  });
}

// call fetches JSON; it gives up after the given milliseconds.
export async function call(path, { timeout = 5000, ...options } = {}) {
  let response, body;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(timeout), ...options, headers: { ...operator(), ...options.headers } });
    body = await response.json().catch(() => ({}));
  } catch {
    throw new Lost("no answer from the server");
  }
  if (!response.ok) throw new Refused(body, response.status);
  return body;
}

export const send = (method, path, value, options = {}) =>
  call(path, { ...options, method, headers: { "Content-Type": "application/json", ...options.headers }, body: JSON.stringify(value) });

// repeat calls read at an interval in milliseconds while the page is visible, until read
// returns false.
export async function repeat(read, every) {
  if (document.visibilityState === "visible" && await read() === false) return;
  setTimeout(() => repeat(read, every), every);
}

export async function picture(name) {
  try {
    const response = await fetch(`/samples/${encodeURIComponent(name)}`);
    if (response.ok) return await response.blob();
  } catch {
    throw new Lost("no answer from the server");
  }
  throw new Error("the server does not have this sample picture");
}

// upload stores a large picture and returns its URI.
export async function upload(kind, blob) {
  const place = await send("POST", "/v1/uploads", { content_type: kind });
  await call(place.url, { method: place.method, headers: place.headers, body: blob, timeout: 60000 });
  return place.uri;
}

export const terminal = (query) => ["succeeded", "failed", "expired", "cancelled"].includes(query.state);

// submit sends a query and waits for its end, a minute at most. Its key has the answer
// stored, so that the recent queries list it.
export async function submit(query) {
  const end = Date.now() + 60000;
  const wait = { Prefer: "wait=20" };
  let answer = await send("POST", "/v1/queries", query, { timeout: 30000, headers: { ...wait, "Idempotency-Key": key() } });
  while (!terminal(answer) && Date.now() < end) {
    await new Promise((done) => setTimeout(done, 200));
    answer = await call(`/v1/queries/${encodeURIComponent(answer.id)}`, { timeout: 30000, headers: wait });
  }
  return answer;
}

// vote sends feedback on an answer. The receipt is required if the query was not stored.
export async function vote(query, correct) {
  await send("POST", `/v1/queries/${encodeURIComponent(query.id)}/feedback`, { correct, receipt: query.receipt });
}

// key is random; randomUUID would need a secure context.
function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
