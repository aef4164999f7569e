import { byId, classify, drawFaces, say, showCards } from "./common.js";

const LONGER = 640; // pixels of the longer side that is sent
const SMOOTH = 0.4; // share of a new answer in what is shown
const THRESHOLD = Number(byId("result").dataset.threshold); // below it a face is unclear

const video = byId("video");
const canvas = byId("canvas");
const sent = document.createElement("canvas");
let stream = null;

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
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: LONGER }, facingMode: "user" } });
    for (const track of stream.getTracks()) track.addEventListener("ended", lose);
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stop();
    return say(`No camera: ${error.message}`, true);
  }
  byId("stop").disabled = false;
  byId("result").hidden = false;
  byId("stop").focus();
  watch(stream);
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
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

// One frame after the other: the next is sent when the answer to the last is here.
async function watch(mine) {
  const times = [];
  while (stream === mine) {
    const scale = Math.min(1, LONGER / Math.max(video.videoWidth, video.videoHeight));
    sent.width = Math.round(video.videoWidth * scale);
    sent.height = Math.round(video.videoHeight * scale);
    sent.getContext("2d").drawImage(video, 0, 0, sent.width, sent.height);
    const image = await new Promise((take) => sent.toBlob(take, "image/jpeg", 0.85));
    try {
      const { images: [{ faces }] } = await classify(image, { query: "?quick=1" });
      if (stream !== mine) return;
      if (canvas.width !== sent.width || canvas.height !== sent.height) {
        canvas.width = sent.width; // which clears it: not for each frame
        canvas.height = sent.height;
      }
      drawFaces(canvas, sent, follow(faces), 1);
      showCards(byId("faces"), people);
      times.push(performance.now());
      if (times.length > 20) times.shift();
      const rate = 1000 * (times.length - 1) / (times.at(-1) - times[0]);
      say(times.length > 1 ? `${rate.toFixed(0)} frames a second` : "");
    } catch (error) {
      if (stream !== mine) return;
      say(error.message, true);
      await new Promise((go) => setTimeout(go, 1000));
    }
  }
}

byId("start").addEventListener("click", start);
byId("stop").addEventListener("click", () => { stop(); byId("start").focus(); });
