// What states and boxes are called.

export const byId = (id) => document.getElementById(id);
export const plural = (count, one, many = `${one}es`) => `${count} ${count === 1 ? one : many}`;

export const wordsOf = (review) => ({
  state: (state, boxes) => ({
    unseen: review ? "to be reviewed" : "to do",
    begun: `unfinished, ${plural(boxes, review ? "false alarm" : "box", review ? "false alarms" : "boxes")}`,
    done: plural(boxes, review ? "false alarm" : "box", review ? "false alarms" : "boxes"),
    negative: review ? "no false alarm" : "no object",
    unreadable: "cannot be read",
  }[state]),
  kind: ({ kind, reason }) => ({
    box: review ? "False alarm" : "Box",
    pending: review ? "Detection" : "Suggestion",
    ignored: review ? "Really the object" : ["Ignored", "Ignored", "Difficult", "Difficult, ignored"][reason ?? 1],
  })[kind],
});

export function count(images) {
  const counts = { unseen: 0, begun: 0, done: 0, negative: 0, unreadable: 0, boxes: 0 };
  for (const { state, boxes } of images) {
    counts[state] += 1;
    counts.boxes += boxes;
  }
  counts.finished = counts.done + counts.negative;
  counts.total = images.length;
  counts.left = counts.unseen + counts.begun;
  return counts;
}
