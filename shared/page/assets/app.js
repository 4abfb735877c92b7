// The live page: watches the stage and says so when it cannot.
import { Lost, askForOperator, refuseToken, takeOperator } from "./api.js";
import { startDecisions } from "./decisions.js";
import { startFaults } from "./faults.js";
import { startHistory } from "./history.js";
import { countLetters, startLetters } from "./letters.js";
import { watch, startLive } from "./live.js";
import { showRecent } from "./recent.js";
import { startSettings } from "./settings.js";
import { showStage } from "./stage.js";
import { loadTry, startTry } from "./try.js";
import { byId, drawn, say, turn } from "./words.js";
import { startWorkers } from "./workers.js";

let last = null; // time of the server's last response
let loaded = false; // the form has its choices
let operating = false; // the parts for operators are read

function show(stage) {
  const notices = showStage(stage);
  const may = !stage.operator_token;
  operate(may);
  countLetters(stage.queues ?? {}, may);
  return live(notices);
}

// operate reads the parts for operators if this caller may, and otherwise says how to.
function operate(may) {
  byId("operators").hidden = may;
  if (!may) refuseToken();
  if (!may || operating) return;
  operating = true;
  startSettings();
  startFaults();
}

async function live(notices) {
  last = new Date();
  badge("live", "live");
  document.body.removeAttribute("data-lost");
  say("alert", notices.join(" "));
  if (loaded) return;
  try {
    loaded = true;
    await loadTry();
  } catch (fault) {
    loaded = false; // with the next status
    lost(fault, 1000);
  }
}

// lost shows that the server does not respond. The interval of the tries is in milliseconds.
function lost(fault, every) {
  badge("lost", fault instanceof Lost ? "connection lost" : "status unknown");
  document.body.dataset.lost = "";
  const since = last ? ` The figures are from ${last.toLocaleTimeString()}.` : "";
  const why = fault instanceof Lost ? `The server does not answer. The page tries again every ${every > 1000 ? `${every / 1000} seconds` : "second"}.` : `The server's status cannot be read: ${fault.message}.`;
  say("alert", why + since);
}

function badge(state, text) {
  const at = byId("connection");
  if (at.dataset.state === state && at.textContent === text) return; // do not announce it again
  at.dataset.state = state;
  at.textContent = text;
}

takeOperator();
showSections();
for (const begin of [ // in a turn each, after the load; the first use of languages reads large tables
  () => new Intl.Locale("en").maximize(), () => new Intl.NumberFormat(), startTry,
  () => watch(() => "/v1/status", show, (fault) => lost(fault, 1000)),
  () => watch(() => "/v1/queries?limit=20&brief=true", (recent) => showRecent(recent.queries ?? [])),
  startDecisions, startHistory, startWorkers, startLetters,
  () => askForOperator(byId("operator-form"), byId("operator")), () => startLive(lost),
]) {
  await turn();
  begin();
}

async function showSections() {
  for (const section of document.querySelectorAll("main > section")) {
    await drawn();
    section.classList.add("shown");
  }
}
