// Each person's expression over the time of a video. Click, drag or the arrow keys seek.

import { clock, make, percent, plural } from "./common.js";

// One color for each class, told apart by nearly all eyes (Okabe and Ito, Tol).
const COLORS = ["#8a8f94", "#e69f00", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#7a5c00", "#882255", "#44aa99"];
const [ROW, GUTTER, AXIS] = [30, 84, 26]; // pixels
const MOST = 8; // people that are shown at first
const GAP = 0.5; // seconds without a face that end a band

export class Timeline {
  constructor(place, player) {
    Object.assign(this, { place, player, canvas: place.querySelector("canvas"), hidden: new Set(), shown: new Set() });
    const { canvas } = this;
    const seek = (event) => event.buttons & 1 && this.seekTo(event);
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); seek(event); });
    canvas.addEventListener("pointermove", seek);
    canvas.addEventListener("keydown", (event) => this.press(event));
    for (const name of ["timeupdate", "seeked", "loadedmetadata"]) player.addEventListener(name, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  // `frames` are the lines of the JSON Lines result; `people` those of its summary.
  show(frames, people, classes) {
    this.people = people;
    this.classes = classes.filter((name) => frames.some(({ faces }) => faces.some(({ expression }) => expression === name)));
    this.colors = new Map(classes.map((name, at) => [name, COLORS[at % COLORS.length]]));
    this.bands = bandsOf(frames);
    this.last = frames.at(-1)?.seconds ?? 0;
    this.shown = new Set(people.slice(0, MOST).map(({ person }) => person));
    this.hidden.clear();
    this.showLegend();
    this.draw();
  }

  get duration() { return this.player.duration || this.last || 1; }

  get rows() { return this.people.filter(({ person }) => this.shown.has(person)); }

  // Show a person, or no longer.
  choose(person, isShown) {
    if (isShown) this.shown.add(person);
    else this.shown.delete(person);
    this.tellShown();
    this.draw();
  }

  tellShown() {
    const { people, shown } = this;
    const [count, all] = [...this.place.querySelector(".legend").children].slice(-2);
    count.textContent = `${shown.size} of ${plural(people.length, "person", "people")} shown.`;
    count.hidden = all.hidden = shown.size === people.length;
  }

  showLegend() {
    const legend = this.place.querySelector(".legend");
    legend.replaceChildren(...this.classes.map((name) => {
      const button = make("button", "plain");
      const sign = make("i");
      sign.style.background = this.colors.get(name);
      button.type = "button";
      button.append(sign, name);
      button.ariaPressed = "true";
      button.addEventListener("click", () => {
        if (!this.hidden.delete(name)) this.hidden.add(name);
        button.ariaPressed = String(!this.hidden.has(name));
        this.draw();
      });
      return button;
    }));
    const all = make("button", "plain", "Show all");
    all.type = "button";
    all.addEventListener("click", () => {
      for (const box of document.querySelectorAll("#people input:not(:checked)")) box.click();
    });
    legend.append(make("span", "quiet"), all);
    this.tellShown();
  }

  draw() {
    if (!this.people) return;
    const { canvas, rows } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.parentElement.clientWidth;
    const height = rows.length * ROW + AXIS;
    canvas.style.height = `${height}px`;
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "14px system-ui, sans-serif";
    context.textBaseline = "middle";
    const style = getComputedStyle(canvas);
    const [ink, line] = [style.color, style.getPropertyValue("--line")];
    this.width = width - GUTTER - 1;
    const at = (seconds) => GUTTER + this.width * seconds / this.duration;
    rows.forEach(({ person }, row) => {
      const top = row * ROW;
      context.fillStyle = ink;
      context.fillText(`Person ${person}`, 0, top + ROW / 2);
      context.fillStyle = line;
      context.fillRect(GUTTER, top + ROW / 2, this.width, 1);
      for (const { start, end, expression } of this.bands.get(person) ?? []) {
        if (this.hidden.has(expression)) continue;
        context.fillStyle = this.colors.get(expression) ?? ink;
        context.fillRect(at(start), top + 4, Math.max(1.5, at(end) - at(start)), ROW - 8);
      }
    });
    this.drawAxis(context, at, ink, rows.length * ROW);
    const now = this.player.currentTime || 0;
    context.fillStyle = ink;
    context.fillRect(at(now) - 1, 0, 2, rows.length * ROW);
    this.tell(now);
  }

  drawAxis(context, at, ink, top) {
    const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600]
      .find((one) => this.width * one / this.duration > 56) ?? 7200;
    context.fillStyle = ink;
    context.textAlign = "center";
    for (let seconds = 0; seconds <= this.duration; seconds += step) {
      context.fillRect(at(seconds), top, 1, 5);
      if (at(seconds) < GUTTER + this.width - 14 || !seconds) context.fillText(clock(seconds), at(seconds), top + 15);
    }
    context.textAlign = "start";
  }

  tell(now) {
    const { canvas } = this;
    canvas.ariaValueMax = this.duration.toFixed(1);
    canvas.ariaValueNow = now.toFixed(1);
    const shown = this.rows.flatMap(({ person }) => {
      const band = (this.bands.get(person) ?? []).find(({ start, end }) => start <= now && now <= end);
      return band ? [`person ${person} ${band.expression}`] : [];
    });
    canvas.ariaValueText = [clock(now), ...shown].join(", ");
  }

  seekTo({ clientX }) {
    const { left } = this.canvas.getBoundingClientRect();
    this.seek((clientX - left - GUTTER) / this.width * this.duration);
  }

  seek(seconds) { this.player.currentTime = Math.min(Math.max(seconds, 0), this.duration); }

  press(event) {
    const now = this.player.currentTime;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageDown: now + 10, PageUp: now - 10, Home: 0, End: this.duration }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.seek(to);
  }
}

// Of each person, the times in which an expression was shown without a break.
function bandsOf(frames) {
  const bands = new Map();
  const step = frames.length > 1 ? (frames.at(-1).seconds - frames[0].seconds) / (frames.length - 1) : 0.04;
  for (const { seconds, faces } of frames) {
    for (const { person, expression } of faces) {
      if (!bands.has(person)) bands.set(person, []);
      const band = bands.get(person).at(-1);
      if (band && band.expression === expression && seconds - band.end < GAP) band.end = seconds + step;
      else bands.get(person).push({ start: seconds, end: seconds + step, expression });
    }
  }
  return bands;
}

// A table of people whose columns sort; a click on a person's time leads there, a box chooses whom the
// timeline shows.
export function showPeople(table, people, timeline, seek) {
  const classes = [...new Set(people.flatMap((one) => Object.keys(one.expressions)))];
  const columns = [
    { name: "Person", value: (one) => one.person },
    { name: "From", value: (one) => one.first_seconds, text: (one) => clock(one.first_seconds) },
    { name: "To", value: (one) => one.last_seconds, text: (one) => clock(one.last_seconds) },
    { name: "Frames", value: (one) => one.frames },
    ...classes.map((name) => ({
      name, value: (one) => one.expressions[name] ?? 0,
      text: (one) => (name in one.expressions ? percent(one.expressions[name]) : ""),
    })),
  ];
  const body = make("tbody");
  const fill = (rows) => body.replaceChildren(...rows.map((one) => {
    const row = make("tr");
    row.append(...columns.map(({ name, value, text = value }) => {
      const cell = make("td", "", name === "From" ? undefined : text(one));
      if (name === "Person") cell.prepend(choiceOf(one, timeline), ...portraitOf(one));
      if (name === "From") {
        const button = make("button", "plain", text(one));
        button.type = "button";
        button.ariaLabel = `Go to person ${one.person} at ${text(one)}`;
        button.addEventListener("click", () => seek(one.first_seconds));
        cell.append(button);
      }
      return cell;
    }));
    return row;
  }));
  const head = make("tr");
  head.append(...columns.map((column) => {
    const cell = make("th");
    cell.scope = "col";
    const button = make("button", "sort", column.name);
    button.type = "button";
    button.addEventListener("click", () => {
      const up = cell.ariaSort !== "ascending";
      for (const other of head.children) other.removeAttribute("aria-sort");
      cell.ariaSort = up ? "ascending" : "descending";
      const sign = up ? 1 : -1;
      fill([...people].sort((one, other) => sign * (column.value(one) - column.value(other))));
    });
    cell.append(button);
    return cell;
  }));
  const top = make("thead");
  top.append(head);
  table.replaceChildren(top, body);
  fill(people);
}

function choiceOf({ person }, timeline) {
  const box = make("input");
  Object.assign(box, { type: "checkbox", checked: timeline.shown.has(person), ariaLabel: `Person ${person} in the timeline` });
  box.addEventListener("change", () => timeline.choose(person, box.checked));
  return box;
}

// The face of a person, with the expression that was shown longest.
function portraitOf({ expressions, thumbnails = {} }) {
  const address = thumbnails[Object.keys(expressions).find((label) => label in thumbnails)];
  if (!address) return [];
  const image = make("img", "portrait");
  image.alt = "";
  image.src = address;
  return [image];
}
