// The image and its boxes on a canvas.

import { handlesOf } from "./geometry.js";
import { DIFFICULT, isShown, Model } from "./model.js";

// Okabe and Ito's colors, told apart by nearly all eyes; each on a dark rim, to be seen on any ground.
const KINDS = {
  annotate: { box: ["#56b4e9", []], pending: ["#f0e442", [7, 5]], ignored: ["#b8bcc0", [2, 4]] },
  review: { box: ["#ff8a3c", []], pending: ["#f0e442", [7, 5]], ignored: ["#2fd3a1", []] },
};

export const HANDLE = 5; // half of a handle's side, in pixels of the screen

// The colors of classes, of which the first is that of a single one.
const CLASSES = ["#56b4e9", "#e69f00", "#2fd3a1", "#e78ac3", "#ff8a3c", "#b3a2ff", "#d9d94c", "#ff7f7f", "#c9c9c9"];
export const colorOfClass = (label) => CLASSES[Math.max(0, Model.classes.indexOf(label)) % CLASSES.length];

// What is to be ignored is gray, what is difficult keeps its color; both are dotted.
function lookOf({ kind, label, reason }, mode) {
  const [color, dash] = KINDS[mode][kind];
  const colored = kind === "box" || (mode === "annotate" && kind === "ignored" && reason === DIFFICULT);
  return [colored ? (label ? colorOfClass(label) : KINDS[mode].box[0]) : color, dash];
}

export const colorOf = (item, mode) => lookOf(item, mode)[0];

export function paint(context, { view, image, items, selected, mode, free, cross, light }) {
  const { canvas } = context;
  const ratio = canvas.width / view.area.width;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.area.width, view.area.height);
  if (image) {
    context.imageSmoothingEnabled = view.scale < 4; // single pixels are to be seen
    context.imageSmoothingQuality = "high";
    if (light) context.filter = `brightness(${light.brightness}) contrast(${light.contrast})`;
    context.drawImage(image, view.x, view.y, view.size.width * view.scale, view.size.height * view.scale);
    context.filter = "none";
  }
  items.forEach((item, at) => at !== selected && isShown(item) && outline(context, view, item.box, lookOf(item, mode), false));
  const item = items[selected];
  if (item) {
    outline(context, view, item.box, lookOf(item, mode), true);
    for (const handle of handlesOf(item.box, free)) drawHandle(context, view.toScreen(handle), lookOf(item, mode)[0]);
  }
  for (const { box, label } of items.filter(isShown)) if (label) drawClass(context, view.toScreen({ x: box[0], y: box[1] }), label);
  if (cross) drawCross(context, view, cross);
}

function outline(context, view, [x, y, width, height], [color, dash], strong) {
  const { x: left, y: top } = view.toScreen({ x, y });
  const sides = [left, top, width * view.scale, height * view.scale];
  context.setLineDash([]);
  context.lineWidth = strong ? 5 : 4;
  context.strokeStyle = "rgb(0 0 0 / .55)";
  context.strokeRect(...sides);
  context.setLineDash(dash);
  context.lineWidth = strong ? 3 : 2;
  context.strokeStyle = color;
  context.strokeRect(...sides);
  context.setLineDash([]);
  if (strong) {
    context.fillStyle = `${color}26`;
    context.fillRect(...sides);
  }
}

function drawClass(context, { x, y }, label) {
  context.font = "600 13px system-ui, sans-serif";
  context.fillStyle = colorOfClass(label);
  context.fillRect(x - 2, y - 20, context.measureText(label).width + 10, 18);
  context.fillStyle = "#000";
  context.fillText(label, x + 3, y - 6);
}

function drawHandle(context, { x, y }, color) {
  context.fillStyle = "#fff";
  context.strokeStyle = "rgb(0 0 0 / .7)";
  context.lineWidth = 1;
  context.fillRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
  context.strokeRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
  context.fillStyle = color;
  context.fillRect(x - HANDLE + 2.5, y - HANDLE + 2.5, 2 * HANDLE - 5, 2 * HANDLE - 5);
}

// Lines through the pointer: where the edges of a new box will lie.
function drawCross(context, view, { x, y }) {
  context.lineWidth = 1;
  for (const [color, dash] of [["rgb(0 0 0 / .45)", []], ["rgb(255 255 255 / .8)", [4, 4]]]) {
    context.strokeStyle = color;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x + 0.5, 0);
    context.lineTo(x + 0.5, view.area.height);
    context.moveTo(0, y + 0.5);
    context.lineTo(view.area.width, y + 0.5);
    context.stroke();
  }
  context.setLineDash([]);
}

// A small image with boxes, to be compared with another.
export function paintSmall(canvas, image, size, items, mode) {
  const longest = 260;
  const scale = longest / Math.max(size.width, size.height);
  const ratio = window.devicePixelRatio || 1;
  const area = { width: Math.max(1, size.width * scale), height: Math.max(1, size.height * scale) };
  canvas.width = area.width * ratio;
  canvas.height = area.height * ratio;
  const view = { area, scale, x: 0, y: 0, size, toScreen: ({ x, y }) => ({ x: x * scale, y: y * scale }) };
  paint(canvas.getContext("2d"), { view, image, items, selected: -1, mode, free: true });
}
