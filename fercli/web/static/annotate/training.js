// Train now and suggest: the training that runs on the server, and how good its suggestions were.

import { byId, plural } from "./labels.js";
import { Model } from "./model.js";
import { forgetSuggestions, suggestAgain } from "./navigation.js";
import { allIsKept, watchers } from "./saving.js";
import { cancelTraining, getTraining, startTraining } from "./server.js";
import { say, session, tracks, trains } from "./state.js";
import { setThresholds } from "./threshold.js";

const EVERY = 600; // milliseconds between two questions how far a training is

let known = { state: "idle", rounds: [] };
let timer = 0;

export async function train() {
  if (!trains || known.state === "running" || !(await allIsKept())) return;
  try {
    take(await startTraining(Model.label ?? ""));
    say("");
  } catch (error) {
    say(error.message, true);
  }
}

export async function cancel() {
  try {
    take(await cancelTraining());
  } catch (error) {
    say(error.message, true);
  }
}

// Ask the server how far it is.
export async function lookAtTraining() {
  if (!trains) return;
  try {
    take(await getTraining());
  } catch (error) {
    if (known.state === "running") timer = setTimeout(lookAtTraining, 3 * EVERY);
  }
}

function take(now) {
  const before = known;
  known = now;
  const ended = before.state === "running" && now.state !== "running";
  const fresh = now.rounds.length > before.rounds.length;
  Model.rounds = newest(now.rounds);
  session.suggests = tracks || Object.keys(now.thresholds).length > 0;
  setThresholds(now.thresholds, fresh ? now.rounds.at(-1).label : null);
  show();
  if (ended) tellEnd(now);
  if (ended && fresh) forgetSuggestions();
  else suggestAgain();
  session.told();
  clearTimeout(timer);
  if (now.state === "running") timer = setTimeout(lookAtTraining, EVERY);
}

// The last training of each class.
const newest = (rounds) => [...new Map(rounds.map(({ label, number }) => [label, number])).values()];

function tellEnd({ state, reason, rounds }) {
  if (state === "failed") say(reason, true);
  if (state === "cancelled") say("The training was canceled.");
  if (state === "ready") say(`${trainedOn(rounds.at(-1))}. Suggestions follow.`);
}

const trainedOn = ({ number, label, boxes, images, seconds }) =>
  `Round ${number}${label && ` (${label})`}: trained on ${plural(boxes, "box")} in ${plural(images, "image", "images")}, ${Math.round(seconds)} s`;

function became({ corrections: { images, right, corrected, added, deleted } }) {
  if (!images) return "no image finished since";
  return `${right} right, ${corrected} corrected, ${added} added, ${deleted} deleted`;
}

function show() {
  const running = known.state === "running";
  const { stage, stages, text } = known.progress ?? {};
  byId("train").hidden = running;
  byId("training").hidden = !running;
  byId("training-bar").max = stages || 1;
  byId("training-bar").value = stage ?? 0;
  byId("training-text").textContent = text || "Reading the images …";
  const last = known.rounds.at(-1);
  byId("rounds").hidden = !last;
  if (!last) return;
  byId("rounds-number").textContent = `Round ${last.number}`;
  byId("rounds-last").textContent = `: ${became(last)}`;
  byId("rounds-rows").replaceChildren(...known.rounds.map(row));
}

function row({ number, label, boxes, images, seconds, corrections }) {
  const line = document.createElement("tr");
  const { right, corrected, added, deleted } = corrections;
  const cells = [number, ...(Model.classes.length ? [label] : []), boxes, images, `${Math.round(seconds)} s`,
    corrections.images, right, corrected, added, deleted];
  line.replaceChildren(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return line;
}

// What had to be corrected is counted when an image is saved.
watchers.push(() => known.rounds.length && known.state !== "running" && lookAtTraining());
