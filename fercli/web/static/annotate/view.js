// How the image lies on the screen: scale and offset.

const MOST = 40; // screen pixels an image's pixel

export class View {
  scale = 1;
  x = 0;
  y = 0;
  area = { width: 1, height: 1 };
  size = { width: 1, height: 1 };

  get least() {
    const margin = 12;
    const room = Math.min((this.area.width - margin) / this.size.width, (this.area.height - margin) / this.size.height);
    return Math.max(0.001, Math.min(room, MOST));
  }

  fit() {
    this.scale = this.least;
    this.x = (this.area.width - this.size.width * this.scale) / 2;
    this.y = (this.area.height - this.size.height * this.scale) / 2;
  }

  get fitted() { return this.scale <= this.least * 1.001; }

  toImage = ({ x, y }) => ({ x: (x - this.x) / this.scale, y: (y - this.y) / this.scale });

  toScreen = ({ x, y }) => ({ x: x * this.scale + this.x, y: y * this.scale + this.y });

  // Zoom so that what lies under a point of the screen stays there.
  zoom(factor, at = { x: this.area.width / 2, y: this.area.height / 2 }) {
    const under = this.toImage(at);
    this.scale = Math.min(Math.max(this.scale * factor, this.least), Math.max(MOST, this.least));
    this.x = at.x - under.x * this.scale;
    this.y = at.y - under.y * this.scale;
    this.keep();
  }

  pan(right, down) {
    this.x += right;
    this.y += down;
    this.keep();
  }

  // Some of the image stays in sight; one that fits lies in the middle.
  keep() {
    const along = (at, length, area) => {
      if (length <= area) return (area - length) / 2;
      return Math.min(Math.max(at, area / 2 - length), area / 2);
    };
    this.x = along(this.x, this.size.width * this.scale, this.area.width);
    this.y = along(this.y, this.size.height * this.scale, this.area.height);
  }

  // Bring a box into sight.
  show([x, y, width, height]) {
    const [start, end] = [this.toScreen({ x, y }), this.toScreen({ x: x + width, y: y + height })];
    const by = (from, to, area) => (from < 0 ? -from + 20 : to > area ? area - to - 20 : 0);
    if (!this.fitted) this.pan(by(start.x, end.x, this.area.width), by(start.y, end.y, this.area.height));
  }
}
