/** The little of Markdown that the tests of the documents need to read. */

/** The lines under a heading (of any level) up to the next heading of the same or a higher level. */
export function sectionUnder(text: string, heading: string): string[] {
  const lines = text.split('\n');
  const level = (line: string) => /^(#+) /.exec(line)?.[1]?.length ?? 0;
  const start = lines.findIndex((line) => level(line) > 0 && line.replace(/^#+ /, '') === heading);
  if (start < 0) throw new Error(`there is no heading "${heading}"`);
  const own = level(lines[start] ?? '');
  const length = lines.slice(start + 1).findIndex((line) => level(line) > 0 && level(line) <= own);
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
}

/** The cells of the first table under a heading, without its head. A `\|` in a cell is a bar. */
export function tableUnder(text: string, heading: string): string[][] {
  const lines = sectionUnder(text, heading);
  const first = lines.findIndex((line) => line.startsWith('|'));
  if (first < 0) throw new Error(`there is no table under "${heading}"`);
  const end = lines.slice(first).findIndex((line) => !line.startsWith('|'));
  const rows = lines.slice(first, end < 0 ? undefined : first + end).map(cells);
  return rows.slice(2); // the head and the line under it
}

function cells(line: string): string[] {
  const bare = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  return bare.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The text of every fenced block and every inline code span. */
export function codeIn(text: string): string[] {
  const fences = [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? '');
  const spans = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)];
  return [...fences, ...spans.map((match) => match[1] ?? '')];
}

/** The words in backquotes of one cell. */
export function codeWords(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
}

/** The targets of links and images, code left out. */
export function linksIn(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]+`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
}

/** The anchors of a document's headings, as code forges make them. */
export function anchorsIn(text: string): Set<string> {
  const headings = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)];
  return new Set(
    headings.map((match) =>
      (match[1] ?? '')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/**
 * The lines of prose that have more than so many characters. Tables and code are not prose, and a line that is one
 * link or address cannot be broken.
 */
export function linesOver(width: number, text: string): string[] {
  const lines = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').split('\n');
  return lines.filter(
    (line) =>
      [...line].length > width && !/^ *(?:\||(?:[-*+>] )?(?:\[[^\]]*\]\(\S+\)|\S+:\/\/\S+)$)/.test(line),
  );
}

/** The lines of prose in which a code span begins and does not end, or the other way round. */
export function linesWithHalfACodeSpan(text: string): string[] {
  const lines = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').split('\n');
  return lines.filter((line) => line.replaceAll(/(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/g, '').includes('`'));
}
