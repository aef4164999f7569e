// Boxes [x, y, width, height] in whole pixels of the image; points {x, y} in fractions of them.

const within = (value, least, most) => Math.min(Math.max(value, least), most);

// The box between a corner that stays and a point, of the shape `aspect` (width / height) if given.
export function boxBetween(fixed, point, size, aspect = null) {
  const [left, up] = [point.x < fixed.x, point.y < fixed.y];
  const room = { width: left ? fixed.x : size.width - fixed.x, height: up ? fixed.y : size.height - fixed.y };
  let width = Math.min(Math.abs(point.x - fixed.x), room.width);
  let height = Math.min(Math.abs(point.y - fixed.y), room.height);
  if (aspect) {
    width = Math.min(Math.max(width, height * aspect), room.width, room.height * aspect);
    [width, height] = shaped(width, aspect);
  }
  return inImage([left ? fixed.x - width : fixed.x, up ? fixed.y - height : fixed.y, width, height], size);
}

// Whole numbers of a shape: the longer side follows from the shorter one, the nearer to it.
function shaped(width, aspect) {
  const shorter = Math.max(1, Math.round(aspect < 1 ? width : width / aspect));
  return aspect < 1 ? [shorter, Math.round(shorter / aspect)] : [Math.round(shorter * aspect), shorter];
}

// A box in whole pixels, of at least one, moved into the image.
export function inImage([x, y, width, height], size) {
  const wide = within(Math.round(width), 1, size.width);
  const high = within(Math.round(height), 1, size.height);
  return [within(Math.round(x), 0, size.width - wide), within(Math.round(y), 0, size.height - high), wide, high];
}

export const moved = ([x, y, width, height], right, down, size) =>
  inImage([x + right, y + down, width, height], size);

// Handles by the compass; those of the edges only where the shape is free.
export function handlesOf([x, y, width, height], free) {
  const [middle, center] = [x + width / 2, y + height / 2];
  const corners = { nw: [x, y], ne: [x + width, y], sw: [x, y + height], se: [x + width, y + height] };
  const edges = { n: [middle, y], s: [middle, y + height], w: [x, center], e: [x + width, center] };
  return Object.entries(free ? { ...corners, ...edges } : corners).map(([name, [left, top]]) => ({ name, x: left, y: top }));
}

// The box whose handle was drawn to a point.
export function resized(box, handle, point, size, aspect = null) {
  const [x, y, width, height] = box;
  const fixed = { x: handle.includes("w") ? x + width : x, y: handle.includes("n") ? y + height : y };
  const to = { ...point };
  if (!/[we]/.test(handle)) to.x = x + width;
  if (!/[ns]/.test(handle)) to.y = y + height;
  return boxBetween(fixed, { x: Math.round(to.x), y: Math.round(to.y) }, size, aspect);
}

// The box with its right and lower edge moved by so many pixels; of a shape, its shorter side grows.
export function grown([x, y, width, height], right, down, size, aspect = null) {
  const by = aspect ? right + down : 0;
  const to = { x: width + right, y: height + down };
  if (aspect >= 1) Object.assign(to, { x: (height + by) * aspect, y: height + by });
  else if (aspect) Object.assign(to, { x: width + by, y: (width + by) / aspect });
  return boxBetween({ x, y }, { x: x + Math.max(1, to.x), y: y + Math.max(1, to.y) }, size, aspect);
}

export const contains = ([x, y, width, height], point, slack = 0) =>
  point.x >= x - slack && point.x <= x + width + slack && point.y >= y - slack && point.y <= y + height + slack;

// Intersection over union.
export function overlap(one, other) {
  const wide = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0]);
  const high = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1]);
  const both = Math.max(wide, 0) * Math.max(high, 0);
  return both / (one[2] * one[3] + other[2] * other[3] - both);
}
