// What the pages share: questions to the server, faces drawn, probabilities as bars.

// Okabe and Ito's colors: the same person has the same one in videos that fer writes.
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

export const byId = (id) => document.getElementById(id);
export const colorOf = (person) => COLORS[(person - 1) % COLORS.length];
const inkOn = (color) => (COLORS.indexOf(color) < 3 ? "#fff" : "#000"); // the last three are light
const mega = (bytes) => Math.ceil(100 * bytes / 2 ** 20) / 100; // a little too much is never "20 of 20"
const percent = (share) => `${Math.round(100 * share)} %`;

export function say(text, trouble = false) {
  const status = byId("status");
  status.textContent = text;
  status.classList.toggle("trouble", trouble);
}

// Ask the server; errors carry the reason that it gives and its status, if it answered at all.
export async function ask(address, options = {}) {
  const response = await fetch(address, options).catch(() => {
    throw new Error("the server does not answer");
  });
  if (response.status === 401) location.reload();
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    const reason = answer?.error?.reason ?? `the server says ${response.status}`;
    throw Object.assign(new Error(reason), { status: response.status });
  }
  return answer;
}

export const classify = (image, { signal, query = "" } = {}) =>
  ask(`/api/v1/classify${query}`, { method: "POST", headers: { "Content-Type": image.type }, body: image, signal });

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// An image on a canvas, with a box and a label for each face; `scale` is canvas / image.
export function drawFaces(canvas, image, faces, scale) {
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  // Letters of a size that can be read on the screen, whatever the canvas is shrunk to.
  const shown = Math.min(canvas.width, byId("main").clientWidth);
  const size = Math.max(12, shown / 60) * canvas.width / shown;
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineWidth = size / 6;
  for (const face of faces) {
    context.strokeStyle = colorOf(face.person);
    context.strokeRect(...face.box.map((number) => number * scale));
  }
  const taken = [];
  for (const face of faces) drawLabel(context, face, scale, size, taken);
}

// A face's number and expression: above its box or below it, whichever hides no other label.
function drawLabel(context, face, scale, size, taken) {
  const [x, y, , height] = face.box.map((number) => number * scale);
  const text = `${face.person} ${face.expression}`;
  const [wide, high] = [context.measureText(text).width + size, 1.5 * size];
  const edge = context.lineWidth / 2;
  const inside = (at, most) => Math.max(0, Math.min(at, most));
  const left = inside(x - edge, context.canvas.width - wide);
  const tops = [y - edge - high, y + height + edge].map((top) => inside(top, context.canvas.height - high));
  const hides = (top) => taken.some((other) =>
    left < other.left + other.wide && other.left < left + wide && Math.abs(top - other.top) < high);
  const top = tops.find((one) => !hides(one)) ?? tops[0];
  taken.push({ left, top, wide });
  const color = colorOf(face.person);
  context.fillStyle = color;
  context.fillRect(left, top, wide, high);
  context.fillStyle = inkOn(color);
  context.fillText(text, left + size / 2, top + 0.53 * high);
}

// A card for each face, with a bar for each class.
export function showBars(place, faces) {
  place.replaceChildren(...faces.map((face) => {
    const card = make("article", "face");
    const head = make("h3");
    const sign = make("i");
    sign.style.background = colorOf(face.person);
    head.append(sign, `${face.person} · ${face.expression}`);
    const list = make("dl");
    for (const [name, share] of Object.entries(face.probabilities)) {
      const bar = make("div", "bar");
      const filled = make("i");
      filled.style.width = `${100 * share}%`;
      filled.style.background = colorOf(face.person);
      bar.append(filled);
      const cell = make("dd");
      cell.append(bar);
      list.append(make("dt", "", name), cell, make("dd", "", percent(share)));
    }
    card.append(head, list);
    return card;
  }));
}

// People in a video, with the share of time that each showed each expression.
export function showPeople(table, people) {
  const names = [...new Set(people.flatMap((one) => Object.keys(one.expressions)))];
  const row = (cells, kind) => {
    const line = make("tr");
    line.append(...cells.map((text) => make(kind, "", text)));
    return line;
  };
  table.replaceChildren(
    row(["person", "from", "to", "frames", ...names], "th"),
    ...people.map((one) => row([
      one.person,
      `${one.first_seconds.toFixed(1)} s`,
      `${one.last_seconds.toFixed(1)} s`,
      one.frames,
      ...names.map((name) => (name in one.expressions ? percent(one.expressions[name]) : "")),
    ], "td")),
  );
}

// Call `take` with a file that was chosen, dropped or pasted, unless it is too large.
export function whenChosen(take) {
  const input = byId("file");
  const most = Number(input.dataset.most);
  const offer = (file) => {
    if (!file) return;
    if (file.size > most) say(`That file has ${mega(file.size)} MB; ${mega(most)} MB are allowed.`, true);
    else take(file);
  };
  // Else the same file, chosen again after an error, would be no change.
  input.addEventListener("click", () => { input.value = ""; });
  input.addEventListener("change", () => offer(input.files[0]));
  document.addEventListener("paste", (event) => offer(event.clipboardData.files[0]));
  const zone = input.closest(".drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      if (name === "drop") offer(event.dataTransfer.files[0]);
    });
  }
}
