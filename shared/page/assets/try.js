// Trying a task: with a picture, one of the samples or one's own, or with a text, and with
// bounds on the answer.
import { Lost, call, picture, submit, upload, vote } from "./api.js";
import { candidates } from "./candidates.js";
import { answerOf, byId, dollars, element, milliseconds, on, percent, ranOn, story } from "./words.js";

const maxBytes = 10 * 1024 * 1024;
const inlineBytes = 200 * 1024; // larger pictures are uploaded and named
let own = null; // the picture that was dropped or chosen
let takes = {}; // "picture" or "text", by task

const fields = {
  "constraints.latency_ms": "latency", "constraints.accuracy": "accuracy",
  "constraints.cost_usd_per_million": "price", task: "task", input: "file", "input.text": "text",
};

export function startTry() {
  on("form", "submit", (event) => {
    event.preventDefault();
    ask();
  });
  on("file", "change", () => choose(byId("file").files[0]));
  on("task", "change", showInput);
  startDrop();
}

export async function loadTry() {
  await Promise.all([showSamples(), showTasks()]);
}

async function showSamples() {
  const samples = await call("/samples/");
  byId("samples").replaceChildren(...samples.map((s, i) => {
    const radio = element("input", "", { type: "radio", name: "sample", value: s.file, checked: i === 0 });
    radio.addEventListener("change", () => choose(null));
    const image = element("img", "", { src: `/samples/${encodeURIComponent(s.file)}`, alt: s.label, title: s.label });
    return element("label", "", radio, image);
  }));
}

async function showTasks() {
  const { models } = await call("/v1/models");
  takes = Object.fromEntries(models.filter((m) => m.takes === "picture" || m.takes === "text").map((m) => [m.task, m.takes])); // tensors need a program
  const tasks = Object.keys(takes);
  byId("try").hidden = byId("skip").hidden = !tasks.length;
  byId("task").replaceChildren(...tasks.map((t) => element("option", "", t)));
  showInput();
}

// showInput shows the part of the form for what the chosen task takes.
function showInput() {
  const text = takes[byId("task").value] === "text";
  byId("text-of").hidden = !text;
  byId("pictures").hidden = text;
}

function startDrop() {
  const panel = byId("try");
  const over = (on) => (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", on);
  };
  panel.addEventListener("dragover", over(true));
  panel.addEventListener("dragleave", over(false));
  panel.addEventListener("drop", (event) => {
    over(false)(event);
    choose(event.dataTransfer.files[0]);
  });
}

// choose selects the user's own picture; without one, the samples.
function choose(file) {
  own = file ?? null;
  byId("drop").classList.toggle("chosen", own !== null);
  byId("file-name").textContent = own ? own.name : "your own PNG or JPEG…";
  if (own) for (const radio of document.querySelectorAll("input[name=sample]")) radio.checked = false;
  else byId("file").value = "";
}

// input returns the text or the chosen picture in the form that the API accepts.
async function input() {
  if (takes[byId("task").value] === "text") {
    const text = byId("text").value;
    if (text === "") throw new Error("write a text first");
    return { text };
  }
  let blob = own;
  if (!blob) {
    const chosen = document.querySelector("input[name=sample]:checked");
    if (!chosen) throw new Error("pick a picture first");
    blob = await picture(chosen.value);
  }
  if (blob.size > maxBytes) throw new Error("the picture is larger than 10 MB");
  const kind = blob.type || "application/octet-stream";
  if (blob.size > inlineBytes) return { content_type: kind, uri: await upload(kind, blob) };
  return { content_type: kind, data: base64(new Uint8Array(await blob.arrayBuffer())) };
}

function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

function constraints() {
  const out = {};
  for (const [path, id] of Object.entries(fields)) {
    const at = byId(id);
    at.removeAttribute("aria-invalid");
    if (!path.startsWith("constraints.") || at.value === "" && !at.validity.badInput) continue;
    if (at.validity.badInput) {
      at.ariaInvalid = "true";
      throw new Error(`${at.parentElement.firstChild.textContent.trim()} is not a number`);
    }
    out[path.split(".")[1]] = Number(at.value);
  }
  return out;
}

async function ask() {
  const button = byId("submit");
  button.disabled = true;
  button.textContent = "Waiting…";
  try {
    showAnswer(await submit({ task: byId("task").value, input: await input(), constraints: constraints() }));
  } catch (fault) {
    showFault(fault);
  } finally {
    button.disabled = false;
    button.textContent = "Submit";
  }
}

function show(...children) {
  byId("answer").hidden = false;
  byId("answer").replaceChildren(...children);
}

function showFault(fault) {
  const at = fields[fault.field] ?? fields[(fault.field ?? "").split(".")[0]];
  if (at) byId(at).ariaInvalid = "true";
  const text = fault instanceof Lost ? "The server does not answer. The form still has your input: submit it again later." : fault.message;
  show(element("p", "fault", fault.field ? `${fault.field}: ${text}` : text));
}

function showAnswer(query) {
  if (!query.result) {
    const why = query.failure ? `${query.state}: ${query.failure.detail}` : `${query.state}: no answer within a minute`;
    show(element("p", "fault", why), story(query));
    return;
  }
  const line = [query.model, ranOn(query), milliseconds(query.latency_ms) + (query.met_slo === false ? ", later than its latency bound" : ""), `${dollars(query.cost_usd * 1e6)} per million queries`];
  const { label } = query.result;
  show(element("p", "label", answerOf(query.result)), element("p", "note", line.join(" · ")), ...(label === undefined ? [] : [bars(query), feedback(query)]), story(query, false), candidates(query));
}

// feedback asks whether the answer is right.
function feedback(query) {
  const box = element("p", "feedback", "Is this answer right? ");
  for (const [word, correct] of [["Yes", true], ["No", false]]) {
    const button = element("button", "plain", word);
    button.addEventListener("click", async () => {
      try {
        await vote(query, correct);
        box.textContent = "Thank you. Your vote is counted.";
      } catch (fault) {
        box.textContent = fault.message;
      }
    });
    box.append(button, " ");
  }
  return box;
}

function bars(query) {
  const box = element("div", "bars");
  for (const { label, score } of query.result.top) {
    const meter = element("meter", "", { min: 0, max: 1, value: score, ariaLabel: label });
    box.append(element("span", "", label), meter, element("span", "num", percent(100 * score)));
  }
  return box;
}
