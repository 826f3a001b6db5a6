/** A small writer of SVG: shapes and text on a light ground. */

const FONT = 'Helvetica, Arial, sans-serif';

export class Svg {
  readonly #width: number;
  readonly #height: number;
  readonly #parts: string[] = [];

  constructor(size: { readonly width: number; readonly height: number }) {
    this.#width = size.width;
    this.#height = size.height;
  }

  rect(box: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly fill: string;
  }): void {
    const { x, y, width, height, fill } = box;
    this.#parts.push(
      `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" fill="${fill}"/>`,
    );
  }

  /** A vertical line. */
  line(parts: {
    readonly x: number;
    readonly fromY: number;
    readonly toY: number;
    readonly stroke: string;
    readonly width?: number;
    readonly dashed?: boolean;
  }): void {
    const { x, fromY, toY, stroke, width = 1, dashed = false } = parts;
    const dashes = dashed ? ' stroke-dasharray="4 3"' : '';
    this.#parts.push(
      `<line x1="${n(x)}" y1="${n(fromY)}" x2="${n(x)}" y2="${n(toY)}" stroke="${stroke}" stroke-width="${width}"${dashes}/>`,
    );
  }

  /** @param parts.y of the baseline */
  text(parts: {
    readonly x: number;
    readonly y: number;
    readonly text: string;
    readonly size?: number;
    readonly anchor?: 'start' | 'middle' | 'end';
    readonly bold?: boolean;
    readonly fill?: string;
  }): void {
    const { x, y, text, size = 12, anchor = 'start', bold = false, fill = '#222222' } = parts;
    const weight = bold ? ' font-weight="bold"' : '';
    this.#parts.push(
      `<text x="${n(x)}" y="${n(y)}" font-family="${FONT}" font-size="${size}" text-anchor="${anchor}"${weight} fill="${fill}">${escapeXml(text)}</text>`,
    );
  }

  /** @param title what a screen reader says */
  toString(title: string): string {
    const size = `width="${this.#width}" height="${this.#height}" viewBox="0 0 ${this.#width} ${this.#height}"`;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escapeXml(title)}">`,
      `<rect width="${this.#width}" height="${this.#height}" fill="#ffffff"/>`,
      ...this.#parts,
      '</svg>',
      '',
    ].join('\n');
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function n(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}
