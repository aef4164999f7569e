/* @NAME@: a detector of @WIDTH@x@HEIGHT@ windows, @KIND@, @STAGES@ stages, @NODES@ nodes.
 *
 * Written by `fer cascade export --to js`. An ES module without dependencies, for browsers, workers
 * and Node.js:
 *
 *   import { detect } from "./@FILE@";
 *   const boxes = detect(context.getImageData(0, 0, width, height));
 *
 * Windows are decided as OpenCV 4 decides them: in float32 for features, in doubles for sums.
 */

export const name = "@NAME@";

/** The smallest object that is found, in pixels. */
export const windowSize = { width: @WIDTH@, height: @HEIGHT@ };

const W = @WIDTH@, H = @HEIGHT@, CORNERS = @CORNERS@;
const NORMED = @NORMED@, TILTED = @TILTED@;
@TABLES@

/** A whole number; halves become even. */
function round(value) {
  const whole = Math.floor(value), rest = value - whole;
  return whole + (rest > 0.5 || (rest === 0.5 && whole % 2 !== 0) ? 1 : 0);
}

/** Gray levels as cv2.cvtColor computes them. */
function toGray(image) {
  const { data, width, height } = image, count = width * height;
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    throw new TypeError("Expected an image with its width and height in pixels");
  if (data.length === count) return data;
  if (data.length !== 4 * count)
    throw new TypeError(`Expected ${count} gray levels or ${4 * count} of RGBA, got ${data.length}`);
  const gray = new Uint8Array(count);
  for (let i = 0, at = 0; i < count; i++, at += 4)
    gray[i] = (9798 * data[at] + 19235 * data[at + 1] + 3735 * data[at + 2] + 16384) >> 15;
  return gray;
}

/** Where the pixels of a smaller row come from: left pixels, and the shares of their right ones. */
function sources(from, to) {
  const left = new Int32Array(to), share = new Int32Array(to);
  for (let at = 0; at < to; at++) {
    const place = (at + 0.5) * (from / to) - 0.5, first = Math.floor(place);
    left[at] = Math.min(Math.max(first, 0), from - 1);
    if (place > 0 && first < from - 1) share[at] = round((place - first) * 256);
  }
  return { left, share };
}

// Kept from one image to the next, and made larger when they have to be.
let pixels = new Uint8Array(0), sums = new Int32Array(0), squares = new Int32Array(0);
const offsets = new Int32Array(nodes * CORNERS);

/** Make the image smaller as cv2.INTER_LINEAR_EXACT does. */
function resize(gray, width, height, toWidth, toHeight) {
  if (pixels.length < toWidth * toHeight) pixels = new Uint8Array(toWidth * toHeight);
  const across = sources(width, toWidth), down = sources(height, toHeight);
  for (let y = 0, to = 0; y < toHeight; y++) {
    const low = down.share[y], high = 256 - low;
    const top = down.left[y] * width, bottom = low ? top + width : top;
    for (let x = 0; x < toWidth; x++) {
      const right = across.share[x], left = 256 - right;
      const a = top + across.left[x], b = bottom + across.left[x], next = right ? 1 : 0;
      const upper = gray[a] * left + gray[a + next] * right;
      const lower = gray[b] * left + gray[b + next] * right;
      pixels[to++] = (upper * high + lower * low + 32768) >> 16;
    }
  }
}

/** Compute the integral images; sums may wrap, differences of them do not. */
function integrate(width, height) {
  const stride = width + 1, count = stride * (height + 1);
  if (sums.length < (TILTED ? 2 * count : count)) {
    sums = new Int32Array(TILTED ? 2 * count : count);
    squares = new Int32Array(NORMED ? count : 0);
  }
  sums.fill(0, 0, stride);
  squares.fill(0, 0, stride);
  for (let y = 0; y < height; y++) {
    let at = (y + 1) * stride, sum = 0, square = 0;
    sums[at] = 0;
    if (NORMED) squares[at] = 0;
    for (let x = 0, from = y * width; x < width; x++, from++) {
      const value = pixels[from];
      at++;
      sum += value;
      sums[at] = sums[at - stride] + sum;
      if (!NORMED) continue;
      square += value * value;
      squares[at] = squares[at - stride] + square;
    }
  }
  if (!TILTED) return;
  // T(x, y) = T(x-1, y-1) + T(x+1, y-1) - T(x, y-2) + two pixels; beyond the borders the cone
  // holds what that of the row above does.
  sums.fill(0, count, count + stride);
  for (let y = 1; y <= height; y++) {
    const here = count + y * stride, last = here - stride, row = (y - 1) * width - 1;
    sums[here] = sums[last + 1];
    for (let x = 1; x <= width; x++) {
      const before = y > 1 ? sums[last + x - stride] : 0;
      const right = x < width ? sums[last + x + 1] : before;
      const above = y > 1 ? pixels[row + x - width] : 0;
      sums[here + x] = sums[last + x - 1] + right - before + pixels[row + x] + above;
    }
  }
}

@OFFSETS@

@STAGES_PASSED@

/** The scales of the image's layers, as detectMultiScale chooses them. */
function scalesOf(width, height, scaleFactor, minSize, maxSize) {
  const scales = [];
  for (let f = 1; round(W * f) <= width && round(H * f) <= height; f *= scaleFactor)
    scales.push(Math.fround(f));
  const size = (scale) => [round(Math.fround(W * scale)), round(Math.fround(H * scale))];
  const fitting = scales.filter((scale) => {
    const [w, h] = size(scale);
    return w >= minSize[0] && h >= minSize[1] && w <= maxSize[0] && h <= maxSize[1];
  });
  if (fitting.length || !scales.length) return fitting;
  const far = scales.map(size).map(([w, h]) => (w - minSize[0]) ** 2 + (h - minSize[1]) ** 2);
  return [scales[far.indexOf(Math.min(...far))]];
}

/** All windows that pass, of all sizes. */
function windowsOf(gray, width, height, scales) {
  const found = [];
  let stripes = 0;
  for (const scale of scales) {
    const step = scale >= 2 ? 1 : 2;
    const toWidth = round(Math.fround(width / scale));
    const toHeight = round(Math.fround(height / scale));
    const across = toWidth + 1 - W, down = toHeight + 1 - H, stride = toWidth + 1;
    stripes ||= Math.max(Math.ceil(across / 32), 1);
    if (across < 1 || down < 1) continue;
    // OpenCV shares the rows among stripes of whole steps, and may leave out the last row.
    const steps = Math.max(Math.ceil(Math.floor(down / step) / stripes), 1) * stripes;
    resize(gray, width, height, toWidth, toHeight);
    integrate(toWidth, toHeight);
    locate(stride, stride * (toHeight + 1));
    for (let row = 0; row < steps && row * step < down; row++)
      for (let x = 0; x < across; x += step) {
        const passed = stagesPassed(row * step * stride + x, stride);
        if (passed === thresholds.length)
          found.push({
            x: round(Math.fround(x * scale)),
            y: round(Math.fround(row * step * scale)),
            width: round(Math.fround(W * scale)),
            height: round(Math.fround(H * scale)),
            neighbors: 1,
          });
        else if (passed === 0) x += step; // as OpenCV does
      }
  }
  return found;
}

function similar(a, b) {
  const delta = 0.2 * (Math.min(a.width, b.width) + Math.min(a.height, b.height)) * 0.5;
  const dx = a.x - b.x, dy = a.y - b.y;
  return Math.abs(dx) <= delta && Math.abs(dy) <= delta
    && Math.abs(dx + a.width - b.width) <= delta && Math.abs(dy + a.height - b.height) <= delta;
}

/** Join similar windows; keep groups of more than minNeighbors that are in no larger one. */
function group(windows, minNeighbors) {
  windows.sort((a, b) => a.x - b.x);
  const parents = windows.map((_, at) => at);
  const rootOf = (at) => {
    while (parents[at] !== at) at = parents[at] = parents[parents[at]];
    return at;
  };
  windows.forEach((a, i) => {
    const furthest = 0.2 * (a.width + a.height) * 0.5;
    for (let j = i + 1; j < windows.length && windows[j].x - a.x <= furthest; j++)
      if (similar(a, windows[j])) {
        const one = rootOf(i), other = rootOf(j);
        parents[Math.max(one, other)] = Math.min(one, other);
      }
  });
  const totals = new Map();
  windows.forEach((box, at) => {
    const root = rootOf(at);
    const total = totals.get(root) ?? { x: 0, y: 0, width: 0, height: 0, neighbors: 0 };
    for (const key in total) total[key] += box[key];
    totals.set(root, total);
  });
  const groups = [...totals.values()].filter((each) => each.neighbors > minNeighbors);
  for (const each of groups) {
    const share = Math.fround(1 / each.neighbors);
    for (const key of ["x", "y", "width", "height"])
      each[key] = round(Math.fround(Math.fround(each[key]) * share));
  }
  return groups.filter((a) => !groups.some((b) => {
    const dx = round(b.width * 0.2), dy = round(b.height * 0.2);
    return a !== b && a.x >= b.x - dx && a.y >= b.y - dy
      && a.x + a.width <= b.x + b.width + dx && a.y + a.height <= b.y + b.height + dy
      && (b.neighbors > Math.max(3, a.neighbors) || a.neighbors < 3);
  }));
}

/**
 * Find objects in an image.
 *
 * @param {{data: Uint8ClampedArray|Uint8Array, width: number, height: number}} image
 *   ImageData of a canvas (RGBA), or one gray level a pixel.
 * @param {object} [options] scaleFactor: from a size of objects to the next, above 1; minNeighbors:
 *   more windows than this must agree (0: all windows, not grouped); minSize, maxSize: of objects,
 *   pixels or [width, height].
 * @returns {{x: number, y: number, width: number, height: number, neighbors: number}[]}
 *   Best first.
 */
export function detect(image, options = {}) {
  const { scaleFactor = 1.1, minNeighbors = 3, minSize = 0, maxSize = Infinity } = options;
  if (!(scaleFactor > 1)) throw new RangeError(`scaleFactor: expected above 1, got ${scaleFactor}`);
  const { width, height } = image, gray = toGray(image);
  const pair = (size) => (Array.isArray(size) ? size : [size, size]);
  const scales = scalesOf(width, height, scaleFactor, pair(minSize), pair(maxSize));
  let boxes = windowsOf(gray, width, height, scales);
  if (minNeighbors > 0) boxes = group(boxes, minNeighbors);
  for (const box of boxes) {
    // Rounding may have moved a box across the border.
    box.width = Math.min(box.width, width - box.x);
    box.height = Math.min(box.height, height - box.y);
  }
  return boxes.sort((a, b) => b.neighbors - a.neighbors);
}
