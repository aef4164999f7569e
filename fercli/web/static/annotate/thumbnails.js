// The strip of small images: only those in sight are there, so that thousands cost nothing.

import { thumbnailAddress } from "./server.js";

const MARKS = { unseen: "", begun: "…", done: "✓", negative: "∅", unreadable: "!" };
const BESIDE = 4; // images beyond each edge

export class Strip {
  constructor(place, choose, wordFor, missing) {
    this.place = place;
    this.track = place.firstElementChild;
    this.choose = choose;
    this.wordFor = wordFor;
    this.missing = missing;
    this.images = [];
    this.order = []; // the numbers of the images that are shown
    this.state = "";
    this.shown = new Map();
    this.current = -1;
    place.addEventListener("scroll", () => this.soon());
    place.addEventListener("wheel", (event) => {
      if (Math.abs(event.deltaX) < Math.abs(event.deltaY)) place.scrollLeft += event.deltaY;
    }, { passive: true });
    new ResizeObserver(() => this.soon()).observe(place);
  }

  get step() { return parseFloat(getComputedStyle(this.place).getPropertyValue("--step")) || 96; }

  show(images) {
    this.images = images;
    this.order = [...images.keys()].filter((at) => this.fits(images[at]));
    this.track.style.width = `${this.order.length * this.step}px`;
    for (const button of this.shown.values()) button.remove();
    this.shown.clear();
    this.fill();
  }

  // Show only images of one state; "open" is all that is not finished, "" everything.
  filter(state) {
    this.state = state;
    this.show(this.images);
  }

  fits({ state }) {
    return !this.state || state === this.state || (this.state === "open" && ["unseen", "begun"].includes(state));
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.fill(); });
  }

  fill() {
    const { step, place } = this;
    const first = Math.max(0, Math.floor(place.scrollLeft / step) - BESIDE);
    const last = Math.min(this.order.length, Math.ceil((place.scrollLeft + place.clientWidth) / step) + BESIDE);
    const wanted = new Map(this.order.slice(first, last).map((at, place) => [at, first + place]));
    for (const [at, button] of this.shown) {
      if (!wanted.has(at)) {
        button.remove();
        this.shown.delete(at);
      }
    }
    for (const [at, place] of wanted) if (!this.shown.has(at)) this.add(at, place * step);
  }

  add(at, left) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1; // the keys of next and previous do the same, without thousands of stops
    button.style.left = `${left}px`;
    const image = document.createElement("img");
    image.alt = "";
    image.draggable = false;
    image.src = thumbnailAddress(at);
    image.addEventListener("error", () => {
      image.hidden = true;
      this.missing(at);
    });
    const mark = document.createElement("span");
    button.append(image, mark);
    button.addEventListener("click", () => this.choose(at));
    this.shown.set(at, button);
    this.update(at);
    this.track.append(button);
  }

  update(at) {
    const button = this.shown.get(at);
    if (!button) return;
    const { name, state, boxes } = this.images[at];
    button.className = state;
    button.title = `${at + 1}: ${name}, ${this.wordFor(state, boxes)}`;
    button.setAttribute("aria-label", button.title);
    if (at === this.current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.lastElementChild.textContent = MARKS[state] + (boxes ? ` ${boxes}` : "");
  }

  select(at) {
    const before = this.current;
    this.current = at;
    this.update(before);
    const { step, place } = this;
    const among = this.order.indexOf(at);
    if (among < 0) return;
    const middle = among * step - (place.clientWidth - step) / 2;
    place.scrollTo({ left: middle, behavior: Math.abs(middle - place.scrollLeft) > 20 * step ? "instant" : "smooth" });
    this.fill();
    this.update(at);
  }
}
