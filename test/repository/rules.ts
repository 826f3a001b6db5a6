/** The rules of docs/protocol.md as their headings tell them apart, and what is wrong with one. */
import { codeWords } from './markdown.ts';
import { fileExists, readText } from './tree.ts';

/** One rule: a heading `### R4.3 Title`, the rule's text, `*Why.*` and `*Enforced by*`. */
export interface Rule {
  readonly number: string;
  readonly title: string;
  /** Between the heading and *Why*. */
  readonly text: string;
  /** Null: there is none, or not where it belongs. */
  readonly why: string | null;
  readonly enforcedBy: string | null;
}

/** A rule has at most so many words before its *Why*. */
const WORDS = 60;

/** The rules that a document states, in its order. */
export function rulesOf(document: string): Rule[] {
  const sections = document.replaceAll(/^```[\s\S]*?^```/gm, '').split(/^(?=#{1,3} )/m);
  return sections.flatMap((section) => {
    const heading = /^### (R\d+\.\d+)\b *(.*)$/m.exec(section);
    if (heading === null || heading.index > 0) return [];
    const [whole, number = '', title = ''] = heading;
    const paragraphs = section
      .slice(whole.length)
      .trim()
      .split(/\n{2,}/);
    const why = paragraphs.findIndex((paragraph) => paragraph.startsWith('*Why.* '));
    const enforced = paragraphs.findIndex((paragraph) => paragraph.startsWith('*Enforced by* '));
    const text = paragraphs.slice(0, why < 0 ? undefined : why).join('\n\n');
    const hasWhy = why >= 0 && why < enforced;
    return {
      ...{ number, title, text },
      why: hasWhy ? paragraphs.slice(why, enforced).join('\n\n') : null,
      enforcedBy: paragraphs[enforced] ?? null,
    };
  });
}

/** What is wrong with a rule, in words; nothing for a right one. */
export function faultsOf({ number, title, text, why, enforcedBy }: Rule): string[] {
  const words = text.split(/\s+/).filter((word) => word !== '').length;
  const named = codeWords(enforcedBy ?? '');
  const faults = [
    title === '' && 'has no title',
    words === 0 && 'says nothing',
    words > WORDS && `has ${words} words`,
    why === null && 'has no *Why* before *Enforced by*',
    enforcedBy === null && 'has no *Enforced by*',
    !named.some((place) => /^src\/.+\.ts:/.test(place)) && 'names no function that enforces it',
    !named.some((place) => place.startsWith('test/')) && 'names no test',
    ...named.filter((place) => !placeExists(place)).map((place) => `names ${place}, which does not exist`),
  ];
  return faults.filter((fault) => fault !== false).map((fault) => `${number} ${fault}`);
}

/** True for a file or directory that exists, and for `file:name` if the file declares that function. */
export function placeExists(place: string): boolean {
  const [file = '', name] = place.split(':');
  return fileExists(file) && (name === undefined || declares(readText(file), name));
}

/** Whether a source text declares a function, method or class member of that name; a call of it is not enough. */
export function declares(source: string, name: string): boolean {
  const escaped = name.replaceAll('$', '\\$');
  const isFunction = new RegExp(`^(?:export )?(?:async )?function\\*? ${escaped}[(<]`, 'm');
  const isMember = new RegExp(`^  (?:(?:private|static|async|get) )*\\*?${escaped}[(<](?!.*;$)`, 'm');
  return isFunction.test(source) || isMember.test(source);
}
