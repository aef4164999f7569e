// The browser's own camera: one frame after the other goes to the server; its faces are followed,
// shown and, if wanted, recorded.

import { byId, classify, clock, drawFaces, linkTo, make, now, plural, saveCanvas, say, showCards } from "./common.js";

const SENT = 640; // pixels of the longer side that is sent
const SHOWN = 1280; // pixels of the camera's width that is asked for
const SMOOTH = 0.4; // share of a new answer in what is shown
const RECENT = 20; // frames over which rate and delay are averaged
const MOST_ROWS = 200_000; // of a recording
const THRESHOLD = Number(byId("result").dataset.threshold); // below it a face is unclear
const COLUMNS = byId("result").dataset.columns.split(" "); // of `fer classify --csv`

// What browsers call the reasons for which there is no camera.
const REASONS = {
  NotAllowedError: "The browser may not use the camera. Allow it beside the address, then start again.",
  NotFoundError: "This device has no camera.",
  NotReadableError: "The camera is in use by another program.",
  OverconstrainedError: "This camera is not there any more. Choose another one.",
};

const video = byId("video");
const canvas = byId("canvas");
const [sent, shown] = [make("canvas"), make("canvas")];
let stream = null;
let recording = null;

// Next frame's faces, with the number and the smoothed probabilities of the face that was there.
let people = [];
let count = 0;

function follow(faces) {
  const free = [...people];
  people = faces.map((face) => {
    const [x, y, width, height] = face.box;
    const at = free.findIndex(({ box: [left, top, wide] }) =>
      Math.hypot(x + width / 2 - left - wide / 2, y + height / 2 - top - wide / 2) < 0.7 * wide);
    if (at < 0) return { ...face, person: ++count };
    const [before] = free.splice(at, 1);
    const probabilities = Object.fromEntries(Object.entries(face.probabilities).map(
      ([name, share]) => [name, before.probabilities[name] + SMOOTH * (share - before.probabilities[name])]));
    const [name, most] = Object.entries(probabilities).sort((a, b) => b[1] - a[1])[0];
    const expression = most >= THRESHOLD ? name : "unclear";
    return { ...face, person: before.person, probabilities, expression };
  }).sort((a, b) => a.person - b.person);
  if (!faces.length) count = 0;
  return people;
}

async function start() {
  if (!navigator.mediaDevices) {
    return say("The browser gives its camera only to pages of this machine (localhost) or over HTTPS.", true);
  }
  byId("start").disabled = true;
  const chosen = byId("device").value;
  const which = chosen ? { deviceId: { exact: chosen } } : { facingMode: "user" };
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: SHOWN }, ...which } });
    for (const track of stream.getTracks()) track.addEventListener("ended", lose);
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stop();
    return say(REASONS[error.name] ?? `No camera: ${error.message}`, true);
  }
  // One that does not say where it looks is that of a desk or a laptop.
  byId("mirror").checked = stream.getVideoTracks()[0].getSettings().facingMode !== "environment";
  byId("stop").disabled = false;
  byId("result").hidden = false;
  byId("stop").focus();
  watch(stream);
  listCameras();
}

function stop() {
  stopRecording();
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
  people = [];
  byId("start").disabled = false;
  byId("stop").disabled = true;
  byId("result").hidden = true;
  say("");
}

// A camera that ends by itself would leave its last image, which would be shown as live.
function lose() {
  stop();
  say("The camera has ended: it was unplugged, or may not be used any more.", true);
}

// Browsers tell the names of cameras to pages that may use one.
async function listCameras() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const used = stream?.getVideoTracks()[0].getSettings().deviceId;
  byId("device").replaceChildren(...cameras.map(({ deviceId, label }, at) =>
    new Option(label || `Camera ${at + 1}`, deviceId, false, deviceId === used)));
  byId("choice").hidden = cameras.length < 2;
}

// One frame after the other: the next is sent when the answer to the last is here.
async function watch(mine) {
  const times = [];
  let told = null;
  while (stream === mine) {
    const begin = performance.now();
    const [width, height] = [video.videoWidth, video.videoHeight];
    const scale = Math.min(1, SENT / Math.max(width, height));
    const mirrored = byId("mirror").checked;
    copyFrame(sent, Math.round(width * scale), Math.round(height * scale), false);
    copyFrame(shown, width, height, mirrored);
    const image = await new Promise((take) => sent.toBlob(take, "image/jpeg", 0.85));
    try {
      const answer = await classify(image, { query: "?quick=1" });
      if (stream !== mine) return;
      follow(answer.images[0].faces);
      show(mirrored, width / sent.width);
      recording?.add(begin, answer.classes);
      if (told !== people.length) say(people.length ? `${plural(people.length, "face")} in view` : "No face in view");
      told = people.length;
      times.push([begin, performance.now()]);
      if (times.length > RECENT) times.shift();
      byId("rate").textContent = pace(times);
    } catch (error) {
      if (stream !== mine) return;
      told = null;
      say(error.message, true);
      await new Promise((go) => setTimeout(go, 1000));
    }
  }
}

function copyFrame(to, width, height, mirrored) {
  Object.assign(to, { width, height });
  const context = to.getContext("2d");
  if (mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(video, 0, 0, width, height);
}

function show(mirrored, scale) {
  if (canvas.width !== shown.width || canvas.height !== shown.height) {
    canvas.width = shown.width; // which clears it: not for each frame
    canvas.height = shown.height;
  }
  const flip = ([x, y, width, height]) => [mirrored ? sent.width - x - width : x, y, width, height];
  drawFaces(canvas, shown, people.map((face) => ({ ...face, box: flip(face.box) })), scale);
  showCards(byId("faces"), people);
}

// `times` are those at which frames were taken and shown.
function pace(times) {
  if (times.length < 2) return "";
  const rate = 1000 * (times.length - 1) / (times.at(-1)[1] - times[0][1]);
  const delay = times.reduce((sum, [begin, end]) => sum + end - begin, 0) / times.length;
  return `${rate.toFixed(rate < 10 ? 1 : 0)} frames a second, delay ${delay.toFixed(0)} ms`;
}

// Rows as those of `fer classify --csv`; places are in the image that was sent, not mirrored.
class Recording {
  constructor(source) {
    Object.assign(this, { source, begin: performance.now(), frame: 0, rows: [], classes: [] });
  }

  add(taken, classes) {
    this.classes = classes;
    const seconds = Math.max(0, (taken - this.begin) / 1000);
    for (const { person, box: [x, y, width, height], expression, probabilities } of people) {
      const face = { source: this.source, frame: this.frame, seconds: seconds.toFixed(3), person, x, y, width, height, expression };
      const shares = classes.map((name) => probabilities[name].toFixed(6));
      this.rows.push([...COLUMNS.map((name) => face[name] ?? ""), ...shares]);
    }
    this.frame += 1;
    byId("recorded").textContent = `Recording: ${clock(Math.floor(seconds))}, ${plural(this.rows.length, "row")}`;
    if (this.rows.length >= MOST_ROWS) stopRecording();
  }

  toCsv() {
    return [[...COLUMNS, ...this.classes], ...this.rows].map((row) => `${row.map(cellOf).join(",")}\n`).join("");
  }
}

// A cell that no spreadsheet takes for a formula.
export function cellOf(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function record() {
  if (recording) return stopRecording(true);
  recording = new Recording(stream.getVideoTracks()[0].label || "camera");
  byId("csv").hidden = true;
  byId("record").textContent = "Stop recording";
  byId("record").ariaPressed = "true";
}

// What was recorded stays there to be saved, even if the camera ends.
function stopRecording(saving = false) {
  if (!recording) return;
  const { rows } = recording;
  linkTo(byId("csv"), new Blob([recording.toCsv()], { type: "text/csv" }), `camera-${now()}.csv`);
  byId("csv").textContent = `Save the recording (${plural(rows.length, "row")})`;
  byId("csv").hidden = false;
  recording = null;
  byId("recorded").textContent = "";
  byId("record").textContent = "Record as CSV";
  byId("record").ariaPressed = "false";
  if (saving) byId("csv").click();
}

byId("start").addEventListener("click", start);
byId("stop").addEventListener("click", () => { stop(); byId("start").focus(); });
byId("snapshot").addEventListener("click", () => saveCanvas(canvas, `camera-${now()}.png`));
byId("record").addEventListener("click", record);
byId("device").addEventListener("change", () => {
  if (!stream) return;
  stop();
  start();
});
navigator.mediaDevices?.addEventListener("devicechange", () => stream && listCameras());
