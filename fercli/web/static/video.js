// Videos: uploaded, worked on by the server, shown with their people over time.

import { asSentence, ask, byId, plural, say, stem } from "./common.js";
import { showPeople, Timeline } from "./timeline.js";

const NAMES = {
  video: ["Save the video", ".mp4"], timeline: ["Save the timeline", "-timeline.png"],
  csv: ["Save as CSV", ".csv"], jsonl: ["Save as JSON Lines", ".jsonl"], summary: ["Save the summary", "-summary.json"],
};
const RECENT = 10; // seconds over which the speed is measured

let upload = null;
let job = location.hash.slice(1);
let name = history.state?.name ?? "video";
let speeds = []; // [milliseconds, frames] of the last seconds
const timeline = new Timeline(byId("timeline"), byId("player"));

const address = () => `/api/v1/jobs/${encodeURIComponent(job)}`;

function progress(share) {
  byId("work").hidden = false;
  const bar = byId("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

// A request of the older kind: fetch tells nothing of an upload's progress.
function send(file) {
  upload?.abort();
  upload = new XMLHttpRequest();
  const query = new URLSearchParams({ model: byId("model").value, bars: Number(byId("bars").checked) });
  if (byId("min-face").value) query.set("min_face", byId("min-face").value);
  upload.open("POST", `/api/v1/jobs?${query}`);
  upload.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  upload.responseType = "json";
  return new Promise((take, fail) => {
    upload.upload.onprogress = (event) => {
      progress(event.loaded / event.total);
      say(`Uploading: ${Math.round(100 * event.loaded / event.total)} %`);
    };
    upload.onload = () => (upload.status === 202 ? take(upload.response)
      : fail(new Error(upload.response?.error?.reason ?? `The server answered with status ${upload.status}.`)));
    upload.onerror = () => fail(new Error("The server does not answer, or refuses a file of that size."));
    upload.onabort = () => fail(new Error("Canceled."));
    upload.send(file);
  });
}

// What the server knows of the job. Only one that has no such job (any more) ends the watch: a
// network that is gone, or a machine that slept, may be back in a moment.
async function look() {
  try {
    return await ask(address());
  } catch (error) {
    if (error.status === 404) throw error;
    return { trouble: error.message };
  }
}

function tell(known) {
  if (known.trouble) {
    byId("work").hidden = false;
    return say(`${known.trouble} Trying again …`, true);
  }
  if (known.state === "waiting") {
    progress(null);
    return say(known.ahead ? `Waiting: ${plural(known.ahead, "video")} before this one` : "Waiting …");
  }
  const share = known.total ? Math.min(1, known.frames / known.total) : null;
  progress(share);
  say(known.frames ? `Frame ${known.frames} of ${known.total ?? "?"}${timeLeft(known)}` : "Starting …");
}

// The time left, at the speed of the last seconds.
export function timeLeft({ frames, total }, now = performance.now()) {
  speeds = [...speeds.filter(([at]) => now - at < 1000 * RECENT), [now, frames]];
  const [[at, before]] = speeds;
  if (!total || frames === before || now - at < 2000) return "";
  const seconds = Math.ceil((total - frames) * (now - at) / 1000 / (frames - before));
  return seconds < 60 ? `, about ${seconds} s left` : `, about ${Math.ceil(seconds / 60)} min left`;
}

export const inOneSentence = ({ summary: { people, frames }, seconds }) => (people.length
  ? `${name}: ${plural(frames, "frame")} in ${seconds.toFixed(1)} s; ${plural(people.length, "person", "people")}.`
  : `No face was found in the ${plural(frames, "frame")} of ${name}.`);

async function show(known) {
  const { summary: { people }, results, notes } = known;
  say(inOneSentence(known));
  byId("video-title").textContent = name;
  byId("player").src = results.video;
  byId("over-time").hidden = !people.length;
  byId("notes").textContent = notes.map((note) => asSentence(note, "video")).join(" ");
  byId("downloads").replaceChildren(...Object.entries(results).map(([kind, path]) => {
    const link = document.createElement("a");
    const [text, ending] = NAMES[kind];
    Object.assign(link, { className: "button", href: path, textContent: text, download: `${stem(name)}-faces${ending}` });
    return link;
  }));
  byId("video-result").hidden = false;
  if (!people.length) return;
  const lines = (await (await fetch(results.jsonl)).text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  const first = lines.find(({ faces }) => faces.length);
  timeline.show(lines, people, [...Object.keys(first?.faces[0].probabilities ?? {}), "unclear"]);
  const { inputs: [withThumbnails] } = await (await fetch(results.summary)).json();
  showPeople(byId("people"), withThumbnails.people, timeline, (seconds) => {
    timeline.seek(seconds);
    byId("player").scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
}

async function watch(mine) {
  while (job === mine) {
    const known = await look();
    if (job !== mine) return;
    if (known.state === "done") return show(known);
    if (known.state === "failed") throw new Error(known.error);
    tell(known);
    await new Promise((go) => setTimeout(go, 400));
  }
}

function remember(id) {
  job = id;
  history.replaceState(id ? { name } : null, "", id ? `#${id}` : location.pathname);
}

async function follow(begin) {
  byId("video-result").hidden = true;
  speeds = [];
  try {
    await watch(await begin());
  } catch (error) {
    remember("");
    say(error.message, true);
  }
  byId("work").hidden = true;
}

export function leaveVideo() {
  upload?.abort();
  if (job) fetch(address(), { method: "DELETE", keepalive: true });
  remember("");
  byId("work").hidden = true;
  byId("video-result").hidden = true;
}

export function analyzeVideo(file) {
  name = file.name || "video";
  follow(async () => {
    const { id } = await send(file);
    remember(id);
    return id;
  });
}

// Show the video that the address names; return whether it names one.
export function resumeVideo() {
  if (job) follow(async () => job);
  return Boolean(job);
}
