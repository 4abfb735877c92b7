// The live page: reads the stage every second and says so when it cannot.
import { Lost, askForOperator, call, mayOperate, repeat } from "./api.js";
import { showDecisions } from "./decisions.js";
import { startFaults } from "./faults.js";
import { startHistory } from "./history.js";
import { countLetters, startLetters } from "./letters.js";
import { showRecent } from "./recent.js";
import { startSettings } from "./settings.js";
import { showStage } from "./stage.js";
import { loadTry, startTry } from "./try.js";
import { byId } from "./words.js";
import { startWorkers } from "./workers.js";

const every = 1000; // milliseconds
let last = null; // when the server answered last
let loaded = false; // there is something to pick from
let operating = false; // what is for operators is read

async function poll() {
  try {
    const [stage, recent, ticks] = await Promise.all([call("/v1/status"), call("/v1/queries?limit=20"), call("/v1/decisions?limit=30")]);
    const notices = showStage(stage);
    operate(mayOperate(stage));
    countLetters(stage.queues ?? {}, mayOperate(stage));
    showRecent(recent.queries ?? []);
    showDecisions(ticks.decisions ?? []);
    await live(notices);
  } catch (fault) {
    lost(fault);
  }
}

// operate reads what is for operators if this caller may, and else says what to do for it.
function operate(may) {
  byId("operators").hidden = may;
  if (!may || operating) return;
  operating = true;
  startSettings();
  startFaults();
}

async function live(notices) {
  last = new Date();
  badge("live", "live");
  document.body.removeAttribute("data-lost");
  alertWith(notices.join(" "));
  if (!loaded) {
    await loadTry();
    loaded = true;
  }
}

function lost(fault) {
  badge("lost", fault instanceof Lost ? "connection lost" : "no figures");
  document.body.setAttribute("data-lost", "");
  const since = last ? ` The figures are from ${last.toLocaleTimeString()}.` : "";
  const why = fault instanceof Lost ? "The server does not answer; trying again every second." : `The server's status cannot be read: ${fault.message}.`;
  alertWith(why + since);
}

function badge(state, text) {
  const at = byId("connection");
  if (at.dataset.state === state && at.textContent === text) return; // do not announce it again
  at.dataset.state = state;
  at.textContent = text;
}

function alertWith(text) {
  const at = byId("alert");
  if (at.textContent !== text) at.textContent = text;
  at.hidden = text === "";
}

startTry();
repeat(poll, every);
startHistory();
startWorkers();
startLetters();
askForOperator(byId("operator-form"), byId("operator"));
