/**
 * Who may import whom. The rule is the table in docs/architecture.md, so that document and check cannot
 * disagree: one row a room, where a room is a folder of src/ or a file directly in it.
 */
import path from 'node:path';
import ts from 'typescript';
import { codeWords, tableUnder } from './markdown.ts';

/** Room → the rooms it may import. */
export type Arrows = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads the table under the heading "Rooms": `| room | may import | … |`. */
export function readArrows(architecture: string): Arrows {
  const rows = tableUnder(architecture, 'Rooms');
  return new Map(
    rows.map(([room = '', allowed = '']) => [
      codeWords(room).map(roomName)[0] ?? '',
      new Set(codeWords(allowed).map(roomName)),
    ]),
  );
}

/** "kv" for "kv/", "errors" for "errors.ts". */
function roomName(name: string): string {
  return name.replace(/(?:\/|\.ts)$/, '');
}

/** "kv" for src/kv/operation.ts, "errors" for src/errors.ts. */
export function roomOf(file: string): string {
  return roomName(file.split('/')[1] ?? '');
}

/** The files that a file imports, re-exports or requires, as paths from the root; packages are left out. */
export function filesImported(file: string, text: string): string[] {
  const names = ts.preProcessFile(text, true, true).importedFiles.map((reference) => reference.fileName);
  const relative = names.filter((name) => name.startsWith('.'));
  return relative.map((name) => path.posix.join(path.posix.dirname(file), name));
}

/** Every import of one file of src/ that breaks a rule, in words; empty if none does. */
export function importViolations(file: string, text: string, arrows: Arrows): string[] {
  const room = roomOf(file);
  const allowed = arrows.get(room);
  if (allowed === undefined) return [`${file}: ${room} has no row in the table`];
  return filesImported(file, text).flatMap((target) => {
    if (!target.startsWith('src/')) return [`${file}: imports ${target}, outside of src/`];
    if (roomOf(target) === room) return [];
    if (!allowed.has(roomOf(target))) return [`${file}: ${room} must not import ${target}`];
    return isDoor(target) ? [] : [`${file}: imports ${target}, which is not the door of its folder`];
  });
}

/**
 * The files that import each other in circles, each circle's files sorted; imports of types count too. What is in one circle
 * cannot be read, or changed, for itself.
 */
export function circlesAmong(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map([...imports.keys()].map((file) => [file, reachedFrom(file, imports)]));
  const circles = new Map<string, string[]>();
  for (const [file, targets] of reached) {
    if (!targets.has(file)) continue;
    const circle = [...targets].filter((target) => reached.get(target)?.has(file)).sort();
    circles.set(circle.join(), circle);
  }
  return [...circles.values()];
}

function reachedFrom(file: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set<string>();
  const open = [...(imports.get(file) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    open.push(...(imports.get(next) ?? []));
  }
  return reached;
}

/** A folder's door is its index.ts. In util, which has none, every file is one. */
function isDoor(target: string): boolean {
  const [, room, ...rest] = target.split('/');
  return room === 'util' || rest.length === 0 || rest.join('/') === 'index.ts';
}
