// What the page watches: paths of the API, by one stream that sends each as it
// changes, or by one request now and then where the server does not stream.
import { Lost, Refused, operator } from "./api.js";
import { turn } from "./words.js";

const answerTime = 5000; // milliseconds until an answer begins
const quietTime = 30000; // milliseconds without a sign of a stream, whose server gives one each 15 s
const parts = []; // what is watched
let round = null; // of the stream or request under way: aborted when something else is to be asked
let polls = 0; // milliseconds between two requests; 0 while the server streams

// watch has show called with what a path answers, now and as it changes, and fail with
// why it does not. The path is a function: after a change of what it returns, restart.
export function watch(path, show, fail = () => {}) {
  parts.push({ path, show, fail, due: 0 });
  restart();
}

// restart asks anew for all.
export function restart() {
  for (const p of parts) p.due = 0;
  round?.abort();
}

// startLive watches for good, while the page is seen. It calls lost with a fault when
// there is no answer, and how often it tries again.
export async function startLive(lost) {
  document.addEventListener("visibilitychange", restart);
  for (;;) {
    const mine = round = new AbortController();
    try {
      if (document.visibilityState === "visible") await read(mine);
      else await pause(mine, answerTime);
    } catch (fault) {
      if (mine.signal.reason?.name === "AbortError") continue; // restart
      lost(fault, polls || 1000);
      restart();
      await pause(round = new AbortController(), polls || 1000);
    }
  }
}

// pause waits, until the round is aborted at most.
const pause = (of, milliseconds) => new Promise((done) => {
  of.signal.addEventListener("abort", done);
  setTimeout(done, milliseconds);
});

// read stays with a stream to its end, or makes one request and waits until the next.
async function read(mine) {
  const now = Date.now();
  const asked = parts.filter((p) => p.due <= now);
  const response = await answer(mine, asked);
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refused(body, response.status);
    polls = 1000 * body.again_seconds;
    const next = pause(mine, polls);
    for (const part of body.parts) {
      const p = deliver(part);
      if (p) p.due = now + 1000 * part.every_seconds - polls / 2; // the request nearest to it
      await turn();
    }
    await next;
    return;
  }
  polls = 0;
  if (asked.length < parts.length) restart(); // it streams again, and has not been asked for all
  await events(mine, response.body.pipeThrough(new TextDecoderStream()).getReader());
}

async function answer(mine, asked) {
  const query = new URLSearchParams(asked.map((p) => ["watch", p.path()]));
  const late = setTimeout(() => mine.abort(new Lost()), answerTime);
  try {
    return await fetch(`/v1/live?${query}`, { cache: "no-store", signal: mine.signal, headers: { ...operator(), Accept: "text/event-stream, application/json" } });
  } catch (fault) {
    throw mine.signal.aborted ? fault : new Lost("no answer from the server");
  } finally {
    clearTimeout(late);
  }
}

async function events(mine, reader) {
  let text = "";
  for (;;) {
    const late = setTimeout(() => mine.abort(new Lost()), quietTime);
    const { value, done } = await reader.read().catch((fault) => { throw mine.signal.aborted ? fault : new Lost("the server closed the connection"); }).finally(() => clearTimeout(late));
    if (done) return;
    const whole = (text + value).split("\n\n");
    text = whole.pop();
    for (const event of whole) {
      if (event.startsWith("data: ")) deliver(JSON.parse(event.slice(6)));
      await turn();
    }
  }
}

// deliver shows what a path answered, and returns what watches it, if that still does.
function deliver(part) {
  const p = parts.find((one) => one.path() === part.path);
  if (part.status < 400) p?.show(part.body);
  else p?.fail(new Refused(part.body ?? {}, part.status));
  return p;
}
