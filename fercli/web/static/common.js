// What the pages share: questions to the server, faces drawn, probabilities as bars.

// Okabe and Ito's colors: the same person has the same one in videos that fer writes.
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const CROWD = 12; // faces from which labels are numbers alone
const LIKELIEST = 3; // classes shown of each face
const SPOKEN = 2000; // milliseconds between two messages for screen readers

export const byId = (id) => document.getElementById(id);
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
export const stem = (name) => name.replace(/\.[^.]*$/, "");
export const colorOf = (person) => COLORS[(person - 1) % COLORS.length];
const inkOn = (color) => (COLORS.indexOf(color) < 3 ? "#fff" : "#000"); // the last three are light
export const mega = (bytes) => Math.ceil(100 * bytes / 2 ** 20) / 100; // a little too much is never "20 of 20"
// The local time, for names of files.
export function now() {
  const date = new Date();
  return new Date(date - 60_000 * date.getTimezoneOffset()).toISOString().slice(0, 19).replaceAll(/[T:]/g, "-");
}

export const clock = (seconds) => {
  const [whole, part] = [Math.floor(seconds), seconds % 1];
  const text = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  return part > 0.05 ? `${text}.${Math.floor(10 * part)}` : text;
};

export const percent = (share) => `${Math.round(100 * share)} %`;

// A note of the server's as a sentence about an image or a video.
export const asSentence = (note, what) =>
  `${/^[a-z]/.test(note) ? `The ${what} ` : ""}${note.replaceAll("`min_face`", "“Smallest face” in the options")}.`;

// Show a message; screen readers get the newest one, at most once in two seconds.
let spoken = 0;
export function say(text, trouble = false) {
  const status = byId("status");
  status.textContent = text;
  status.classList.toggle("trouble", trouble);
  spoken ||= setTimeout(() => {
    spoken = 0;
    byId("spoken").textContent = status.textContent;
  }, trouble ? 0 : SPOKEN);
}

// Ask the server; errors carry the reason that it gives and its status, if it answered at all.
export async function ask(address, options = {}) {
  const response = await fetch(address, options).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (response.status === 401) location.reload();
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    const reason = answer?.error?.reason ?? `The server answered with status ${response.status}.`;
    throw Object.assign(new Error(reason), { status: response.status });
  }
  return answer;
}

export const classify = (image, { signal, query = "" } = {}) =>
  ask(`/api/v1/classify${query}`, { method: "POST", headers: { "Content-Type": image.type }, body: image, signal });

export function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Faces numbered as one reads: rows from the top, each from the left.
export function inReadingOrder(faces) {
  const rows = [];
  const middle = ({ box: [, y, , height] }) => y + height / 2;
  for (const face of [...faces].sort((one, other) => middle(one) - middle(other))) {
    const row = rows.at(-1);
    if (row && middle(face) - middle(row[0]) < 0.75 * row[0].box[3]) row.push(face);
    else rows.push([face]);
  }
  const ordered = rows.flatMap((row) => row.sort((one, other) => one.box[0] - other.box[0]));
  return ordered.map((face, at) => ({ ...face, person: at + 1 }));
}

// An image on a canvas, with a box and a label for each face; `scale` is canvas / image. `shown` is
// the width of the canvas on the screen: letters are of a size that can be read there.
export function drawFaces(canvas, image, faces, scale, shown = Math.min(canvas.width, byId("main").clientWidth)) {
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  if (image) context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const size = Math.max(12, shown / 60) * canvas.width / shown;
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineWidth = size / 6;
  for (const face of faces) {
    context.strokeStyle = colorOf(face.person);
    context.strokeRect(...face.box.map((number) => number * scale));
  }
  const taken = faces.map(({ box }) => box.map((number) => number * scale));
  for (const face of faces) drawLabel(context, face, scale, size, taken, faces.length > CROWD);
}

const shared = ([x, y, wide, high], [left, top, width, height]) =>
  Math.max(0, Math.min(x + wide, left + width) - Math.max(x, left))
  * Math.max(0, Math.min(y + high, top + height) - Math.max(y, top));

// A face's number and expression beside its box, where they cover least of faces and other labels.
function drawLabel(context, face, scale, size, taken, isCrowd) {
  const [x, y, width, height] = face.box.map((number) => number * scale);
  const text = isCrowd ? `${face.person}` : `${face.person} ${face.expression}`;
  const [wide, high] = [context.measureText(text).width + size, 1.5 * size];
  const edge = context.lineWidth / 2;
  const inside = (at, most) => Math.max(0, Math.min(at, most));
  const places = [
    [x - edge, y - edge - high], [x - edge, y + height + edge], [x + width + edge, y], [x - edge - wide, y],
  ].map(([left, top]) => [
    inside(left, context.canvas.width - wide), inside(top, context.canvas.height - high), wide, high,
  ]);
  const cost = (place) => taken.reduce((sum, other) => sum + shared(place, other), 0);
  const [best] = places.map((place) => ({ place, covered: cost(place) }))
    .sort((one, other) => one.covered - other.covered);
  taken.push(best.place);
  const [left, top] = best.place;
  const color = colorOf(face.person);
  context.fillStyle = color;
  context.fillRect(left, top, wide, high);
  context.fillStyle = inkOn(color);
  context.fillText(text, left + size / 2, top + 0.53 * high);
}

// A card for each face, with a bar for its likeliest classes and the others folded. `decorate` may
// add to a card.
export function showCards(place, faces, decorate = () => {}) {
  const open = new Set([...place.querySelectorAll("details[open]")].map(({ dataset }) => dataset.person));
  place.replaceChildren(...faces.map((face) => {
    const card = make("article", "face");
    const head = make("h3");
    const sign = make("i");
    sign.style.background = colorOf(face.person);
    head.append(sign, `${face.person} · ${face.expression}`);
    const shares = Object.entries(face.probabilities).sort((one, other) => other[1] - one[1]);
    const more = make("details");
    more.dataset.person = face.person;
    more.open = open.has(more.dataset.person);
    more.append(make("summary", "", "All classes"), barsOf(shares.slice(LIKELIEST), face));
    card.append(head, barsOf(shares.slice(0, LIKELIEST), face));
    if (shares.length > LIKELIEST) card.append(more);
    decorate(card, face);
    return card;
  }));
}

function barsOf(shares, face) {
  const list = make("dl");
  for (const [name, share] of shares) {
    const bar = make("div", "bar");
    const filled = make("i");
    filled.style.width = `${100 * share}%`;
    filled.style.background = colorOf(face.person);
    bar.append(filled);
    const cell = make("dd");
    cell.append(bar);
    list.append(make("dt", "", name), cell, make("dd", "", percent(share)));
  }
  return list;
}

// Let a link save something under a name.
export function linkTo(anchor, blob, name) {
  URL.revokeObjectURL(anchor.href);
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
}

export function saveCanvas(canvas, name) {
  canvas.toBlob((blob) => {
    const anchor = make("a");
    linkTo(anchor, blob, name);
    anchor.click();
  });
}
