import { ask, byId, say, showPeople, whenChosen } from "./common.js";

const NAMES = { video: "Save the video", timeline: "Save the timeline", csv: "Save as CSV", jsonl: "Save as JSON Lines" };

let upload = null;
let job = location.hash.slice(1);

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
  upload.open("POST", `/api/v1/jobs?bars=${Number(byId("bars").checked)}`);
  upload.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  upload.responseType = "json";
  return new Promise((take, fail) => {
    upload.upload.onprogress = (event) => {
      progress(event.loaded / event.total);
      say(`Uploading: ${Math.round(100 * event.loaded / event.total)} %`);
    };
    upload.onload = () => (upload.status === 202 ? take(upload.response)
      : fail(new Error(upload.response?.error?.reason ?? `the server says ${upload.status}`)));
    upload.onerror = () => fail(new Error("the server does not answer, or refuses a file of that size"));
    upload.onabort = () => fail(new Error("canceled"));
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
    return say(`${known.trouble}; waiting for it …`, true);
  }
  if (known.state === "waiting") {
    progress(null);
    return say(known.ahead ? `Waiting: ${known.ahead} before this one` : "Waiting …");
  }
  const share = known.total ? Math.min(1, known.frames / known.total) : null;
  progress(share);
  const left = share > 0.02 ? `, about ${Math.ceil(known.seconds * (1 - share) / share)} s left` : "";
  say(known.frames ? `Frame ${known.frames} of ${known.total ?? "?"}${left}` : "Starting …");
}

function show(known) {
  const { summary, results, notes } = known;
  say(`${summary.frames} frames in ${known.seconds.toFixed(1)} s; ${summary.frames_with_faces} with faces, ${summary.people.length} people`);
  byId("player").src = results.video;
  byId("timeline").src = results.timeline;
  showPeople(byId("people"), summary.people);
  byId("notes").textContent = notes.join("; ");
  byId("downloads").replaceChildren(...Object.entries(results).map(([name, path]) => {
    const link = document.createElement("a");
    Object.assign(link, { className: "button", href: `${path}?download`, textContent: NAMES[name] });
    link.download = "";
    return link;
  }));
  byId("result").hidden = false;
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
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
}

async function follow(begin) {
  byId("result").hidden = true;
  try {
    await watch(await begin());
  } catch (error) {
    remember("");
    say(error.message, true);
  }
  byId("work").hidden = true;
}

function leave() {
  upload?.abort();
  if (job) fetch(address(), { method: "DELETE", keepalive: true });
  remember("");
}

whenChosen((file) => {
  leave();
  follow(async () => {
    const { id } = await send(file);
    remember(id);
    return id;
  });
});
byId("cancel").addEventListener("click", () => { leave(); byId("work").hidden = true; say("Canceled."); });
if (job) follow(async () => job);
